"""Which headers pass between a browser and what it sees, and which cookies. Called by `gateway.browser.proxy`.

The session's cookie is the browser's and the proxy's alone; an app's cookies are kept to its own path.
"""

from typing import Any

from aiohttp import web
from multidict import CIMultiDict

# https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1 ; who stands before the app is not the browser's to say
_NOT_FORWARDED = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "cookie",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-real-ip",
        "x-scheme",
        "expect",
    ]
)


def request_headers(raw: web.BaseRequest, session: str) -> "CIMultiDict[str]":
    """What the browser sent, without what is between it and us: above all, without the session's cookie."""
    named = {one.strip().lower() for line in raw.headers.getall("Connection", ()) for one in line.split(",")}
    headers = CIMultiDict(
        (name, value) for name, value in raw.headers.items() if name.lower() not in _NOT_FORWARDED | named
    )
    cookies = [part for part in _cookies(raw) if not part.startswith(f"{session}=")]
    if cookies:
        headers["Cookie"] = "; ".join(cookies)
    return headers


def _cookies(raw: web.BaseRequest) -> list[str]:
    """`name=value` as they came. Quotes part nothing: what is taken out for the app is what is read here."""
    given = (part.strip() for line in raw.headers.getall("Cookie", ()) for part in line.split(";"))
    return [part for part in given if part]


def session_cookie(raw: web.BaseRequest, name: str) -> str | None:
    """None also if there are several: a browser has one of this name."""
    found = [part.removeprefix(f"{name}=") for part in _cookies(raw) if part.startswith(f"{name}=")]
    return found[0] if len(found) == 1 else None


def reply_headers(given: Any, base: str) -> "CIMultiDict[str]":
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in given.items():
        if name.lower() == "set-cookie":
            if (safe := confine(value, base)) is not None:
                headers.add(name, safe)
        elif name.lower() not in _NOT_FORWARDED:
            headers.add(name, value)
    return headers


def confine(cookie: str, base: str) -> str | None:
    """An app's cookie, for its own path of this host and over TLS only; None for a name that is not an app's to set."""
    first, *attributes = (part.strip() for part in cookie.split(";"))
    # a cookie without a name is sent back as its value: `=__Host-…` would look like another
    if first.lower().startswith(("__host-", "__secure-", "=")) or "=" not in first:
        return None
    kept = [one for one in attributes if one.partition("=")[0].strip().lower() not in ("domain", "path", "secure")]
    if not any(one.lower().startswith("samesite") for one in kept):
        kept.append("SameSite=Lax")
    return "; ".join([first, *kept, f"Path={base}", "Secure"])
