#!/bin/sh
# Install what Ringfence needs: programs from the distribution (root or sudo), then a pinned, hashed Python environment.
# Usage: scripts/setup.sh [VENV]
set -eu

venv=${1:-.venv}
python=${PYTHON:-python3}

say() { printf 'setup: %s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

missing=""
need() { # need PACKAGE PROGRAM: the package is missing if the program is
    PATH="$PATH:/usr/sbin:/sbin" command -v "$2" >/dev/null 2>&1 || missing="$missing $1"
}
need nftables nft
need iproute2 ip
need runc runc
need skopeo skopeo
need umoci umoci
need redis-tools redis-check-rdb # for tests and measurements, without the service of redis-server
command -v "$python" >/dev/null 2>&1 || missing="$missing python3"
# Debian splits ensurepip from python3: without it a virtual environment has no pip.
"$python" -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"

if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        say "install these programs with your package manager, then run this again:$missing"
        exit 1
    fi
    if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
        say "root is needed once: run \`sudo apt-get install -y$missing\`, then this again"
        exit 1
    fi
    say "installing$missing"
    as_root apt-get -q update >/dev/null
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing >/dev/null
fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "Python 3.11 or newer is needed; \`$python\` is $("$python" -V). Name another with PYTHON=..."
    exit 1
}

[ -x "$venv/bin/pip" ] || "$python" -m venv "$venv"
say "installing the pinned Python packages into $venv"
"$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
"$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
"$venv/bin/python" -m ringfence.cli.main --version >&2
