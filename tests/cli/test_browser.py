"""How a browser of this machine is started: a profile of its own, and nothing of the URL in its arguments."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from ringfence.cli.browser import browser, find_person, lacks

pytestmark = pytest.mark.skipif(shutil.which("certutil") is None, reason="no certutil: run `make browser`")
URL = "https://d-1.studio.us-west-2.sagemaker.aws/auth?token=secret&x=1"


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    (tmp_path / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return tmp_path / "ca.pem"


def test_a_profile_of_its_own_that_goes_again(tmp_path: Path, authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "k")
    monkeypatch.delenv("SUDO_UID", raising=False)
    program = tmp_path / "browser"
    told = tmp_path / "told"
    told.mkdir()
    program.write_text(
        f"""#!/bin/sh
        printf '%s\\n' "$@" > {told}/arguments
        env > {told}/environment
        cp "$HOME/open.html" {told}/page
        certutil -L -d "sql:$HOME/.pki/nssdb" > {told}/trusted
        echo "$HOME" > {told}/home
        """
    )
    program.chmod(0o755)
    with browser(str(program), URL, 4711, authority) as process:
        assert process.wait(120) == 0
        home = Path((told / "home").read_text().strip())
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert not home.exists()
    arguments = (told / "arguments").read_text()
    assert "--proxy-server=http://127.0.0.1:4711" in arguments
    assert "secret" not in arguments
    assert "url=https://d-1.studio.us-west-2.sagemaker.aws/auth?token=secret&amp;x=1" in (told / "page").read_text()
    assert "ringfence" in (told / "trusted").read_text()
    assert "AWS_SECRET" not in (told / "environment").read_text()


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringfence.cli.browser.find_browser", lambda: "/usr/bin/chromium")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SUDO_UID", "SUDO_GID"):
        monkeypatch.delenv(name, raising=False)
    assert lacks() == "there is no display"
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "not run as root" in str(lacks())
    monkeypatch.setenv("SUDO_UID", "1000")
    monkeypatch.setenv("SUDO_GID", "1000")
    assert lacks() is None
    person = find_person()
    assert person is not None
    assert (person.uid, person.gid) == (1000, 1000)
    monkeypatch.setattr("ringfence.cli.browser.find_browser", lambda: None)
    assert "no Chromium" in str(lacks())
