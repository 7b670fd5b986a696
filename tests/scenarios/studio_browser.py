"""Headless Chromium where `ringfence exec` puts it, told what to do by JSON lines and telling what its page shows.

Not a test file: a program of the environment that `make browser` makes (Playwright drives it), started by
`chromium.py`. It trusts the authority as a person's browser would: by its own certificate store. One answer a line;
`{"error": …}` if the page did not come to show what was asked for.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, Request, WebSocket, sync_playwright

PATIENCE = 120_000
LAB = "/jupyterlab/default"


class Browser:
    """One window. `sockets`: all WebSockets that its pages made."""

    def __init__(self, context: BrowserContext) -> None:
        self._context = context
        self.page: Page = context.pages[0]
        self.page.set_default_timeout(PATIENCE)
        self.troubles: list[str] = []
        self.sockets: list[WebSocket] = []
        self.page.on("websocket", lambda one: self.sockets.append(one))
        self.page.on("response", lambda one: one.status >= 400 and self.troubles.append(f"{one.status} {one.url}"))
        self.page.on("requestfailed", self._note)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))

    def _note(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # which is what a page that is left says of what it still waits for
            self.troubles.append(f"{request.failure} {request.url}")

    def open(self, url: str) -> dict[str, Any]:
        """Go there; where that led and what it says. `status`: None if no answer came, `said` then says why."""
        self.troubles.clear()
        try:
            reply = self.page.goto(url)
        except Exception as error:  # what the network does is what is asked about
            return {"status": None, "url": None, "said": str(error).splitlines()[0]}
        return {
            "status": reply.status if reply else None,
            "url": self.page.url,
            "said": self.page.inner_text("body")[:500],
        }

    def lab(self) -> dict[str, Any]:
        """JupyterLab with nothing open in it, once its launcher is there; what failed on the way."""
        self.page.goto(f"{self._origin()}{LAB}/lab?reset")
        self.page.wait_for_selector(".jp-LauncherCard")
        workers = "navigator.serviceWorker.getRegistrations().then(all => all.map(one => one.scope))"
        return {"title": self.page.title(), "troubles": self.troubles, "workers": self.page.evaluate(workers)}

    def notebook(self) -> dict[str, Any]:
        """A new one, by a click on the launcher; once its kernel has been idle for a while.

        JupyterLab takes a cell before it has one, and then has two: the cell starts a kernel, and so does the page that
        has meanwhile seen in the list of sessions that there is none. The second POST to /api/sessions, under another
        path, makes it shut the first one down, and what that was asked to run is gone with it. (SessionContext,
        `_changeKernel` and `_initialize`; each request passes our proxy once.)
        """
        self.page.locator('.jp-LauncherCard[data-category="Notebook"]').first.click()
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        quiet = 0
        while quiet < 10:
            self.page.wait_for_timeout(100)
            self._idle()
            quiet = quiet + 1 if len(self._kernels()) == 1 else 0
        return {"troubles": self.troubles}

    def cell(self, code: str, idle: bool = True) -> dict[str, Any]:
        """Type it into the last cell and run it; what the page shows below it, when it has ended if `idle`."""
        cells = self.page.locator(".jp-Notebook .jp-CodeCell")
        number = cells.count() - 1
        cells.nth(number).locator(".cm-content").click()
        self.page.keyboard.insert_text(code)
        self.page.keyboard.press("Shift+Enter")
        cells.nth(number).locator(".jp-OutputArea-output").first.wait_for()
        if idle:
            self._idle()
        return self.shown(number)

    def shown(self, number: int) -> dict[str, Any]:
        """The output of that cell, as it is on the page."""
        outputs = self.page.locator(".jp-Notebook .jp-CodeCell").nth(number).locator(".jp-OutputArea-output")
        return {"number": number, "output": "\n".join(outputs.all_inner_texts())}

    def restart(self) -> dict[str, Any]:
        """The kernel, by the menu's command and its question."""
        self.page.locator(".jp-Notebook .jp-CodeCell .cm-content").last.click()
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("0")
        self.page.keyboard.press("0")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self._idle()
        return {}

    def terminal(self, command: str, wanted: str) -> dict[str, Any]:
        """A terminal of the app's container; its screen once that shows `wanted`."""
        script = """async ([base, token, command, wanted]) => {
            const headers = {'X-XSRFToken': token};
            const {name} = await (await fetch(`${base}/api/terminals`, {method: 'POST', headers})).json();
            return new Promise((found, failed) => {
                const channel = new WebSocket(`${base.replace('https', 'wss')}/terminals/websocket/${name}`);
                let screen = '';
                channel.onmessage = frame => {
                    const [kind, text] = JSON.parse(frame.data);
                    if (kind === 'setup') channel.send(JSON.stringify(['stdin', command + '\\r']));
                    if (kind === 'stdout') screen += text;
                    if (screen.includes(wanted)) { channel.close(); found(screen); }
                };
                channel.onclose = told => failed(new Error(`closed: ${told.code}`));
            });
        }"""
        (token,) = [one["value"] for one in self._context.cookies() if one["name"] == "_xsrf"]
        return {"screen": self.page.evaluate(script, [f"{self._origin()}{LAB}", token, command, wanted])}

    def fetch(self, path: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """As the page's own scripts do."""
        script = """([path, headers]) => fetch(path, {headers}).then(async reply => ({
            status: reply.status, headers: Object.fromEntries(reply.headers),
            size: (await reply.arrayBuffer()).byteLength}))"""
        told: dict[str, Any] = self.page.evaluate(script, [path, headers or {}])
        return told

    def burst(self, path: str, count: int) -> dict[str, Any]:
        """So many requests at the same time: status and size of each."""
        script = """([path, count]) => Promise.all(Array.from({length: count}, (_, i) =>
            fetch(`${path}?${i}`).then(async reply => [reply.status, (await reply.arrayBuffer()).byteLength])))"""
        return {"replies": self.page.evaluate(script, [path, count])}

    def cookies(self) -> dict[str, Any]:
        return {"cookies": self._context.cookies()}

    def carry(self, cookies: list[Any]) -> dict[str, Any]:
        """What another browser has."""
        self._context.clear_cookies()
        self._context.add_cookies(cookies)
        return {}

    def photograph(self, path: str) -> dict[str, Any]:
        self.page.screenshot(path=path)
        return {}

    def open_channels(self, wanted: int) -> dict[str, Any]:
        """How many WebSockets to kernels are open, once it is as many as are wanted."""
        deadline = time.monotonic() + PATIENCE / 1000
        while len(self._kernels()) != wanted and time.monotonic() < deadline:
            self.page.wait_for_timeout(50)
        return {"open": len(self._kernels())}

    def _kernels(self) -> list[WebSocket]:
        return [one for one in self.sockets if "/api/kernels/" in one.url and not one.is_closed()]

    def _idle(self) -> None:
        self.page.wait_for_function(
            "document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'"
        )

    def _origin(self) -> str:
        return "/".join(self.page.url.split("/")[:3])


def trust(home: Path, authority: str) -> None:
    """https://chromium.googlesource.com/chromium/src/+/main/docs/linux/cert_management.md"""
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    for arguments in (("-N", "--empty-password"), ("-A", "-t", "C,,", "-n", "ringfence", "-i", authority)):
        subprocess.run(["certutil", "-d", f"sql:{store}", *arguments], check=True, capture_output=True)


def main(chromium: str) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as directory,
        sync_playwright() as p,
    ):
        home = Path(directory)
        trust(home, os.environ["AWS_CA_BUNDLE"])
        context = p.chromium.launch_persistent_context(
            str(home / "profile"),
            executable_path=chromium,
            args=["--no-sandbox"],  # it is root's here, and shows what the test made alone
            env={**os.environ, "HOME": directory},
            viewport={"width": 1100, "height": 620},
        )
        browser = Browser(context)
        for line in sys.stdin:
            asked = json.loads(line)
            try:
                told = getattr(browser, asked.pop("do"))(**asked)
            except Exception as error:
                told = {"error": str(error), "troubles": browser.troubles, "url": browser.page.url}
            print(json.dumps(told), flush=True)
        context.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
