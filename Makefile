# Two commands do everything on a fresh Debian 12 or Ubuntu machine: `make demo` and `make test`.
.PHONY: setup studio pytorch browser demo docs check test soak bench sdk lock

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Namespaces and containers need root; `sudo -n` fails at once where it would ask for a password.
ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo -n)

setup: $(VENV)/.done

$(VENV)/.done: requirements/dev.txt pyproject.toml scripts/setup.sh
	PYTHON=$(PYTHON) sh scripts/setup.sh $(VENV)
	touch $@

# JupyterLab for Studio's apps, in an environment of its own (250 MB).
studio: setup .venv-studio/.done

.venv-studio/.done: requirements/studio.txt
	$(PYTHON) -m venv .venv-studio
	.venv-studio/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/studio.txt
	touch $@

# PyTorch for the built-in image, in an environment of its own (1 GB). PYTORCH: a line of a requirements file that names
# the CPU build as your index has it; `--hash=sha256:…` in it is held to. The index and its options are pip's own
# (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, pip.conf), what else is installed has hashes.
PYTORCH ?= torch==2.13.0+cpu
pytorch: setup .venv-pytorch/.done

.venv-pytorch/.done: requirements/pytorch.txt
	$(PYTHON) -m venv .venv-pytorch
	.venv-pytorch/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/pytorch.txt
	printf '%s\n' '$(PYTORCH)' >.venv-pytorch/torch.txt
	.venv-pytorch/bin/python -m pip install -q --disable-pip-version-check --no-deps -r .venv-pytorch/torch.txt || \
		{ echo "pytorch: name the CPU build of your index: make pytorch PYTORCH='torch==VERSION'"; exit 1; }
	.venv-pytorch/bin/python -c "import torch; torch.zeros(1)"
	touch $@

# For the tests of Studio in a browser, which are skipped without: Debian's Chromium, and Playwright to drive it (700 MB).
browser: studio .venv-browser/.done
	command -v chromium && command -v certutil || \
		$(ROOT) apt-get install -y --no-install-recommends chromium libnss3-tools fonts-dejavu-core

.venv-browser/.done: requirements/browser.txt
	$(PYTHON) -m venv .venv-browser
	.venv-browser/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/browser.txt
	touch $@

demo: setup
	$(BIN)/python -m demo

docs: setup
	$(BIN)/python docs/generate.py

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -n 2 -m "not root and not slow"

test: check studio
	$(ROOT) $(BIN)/pytest -q -n 2 --dist loadfile -m "root or slow"

# Model against kernel, for as many packets as you have time for (about 40 a second).
SOAK ?= 20000
soak: setup
	$(ROOT) env RINGFENCE_SOAK=$(SOAK) RINGFENCE_SEED=$${SEED:-$$(date +%s)} \
		$(BIN)/pytest -q tests/net/test_real_agreement.py tests/net/test_real_mutants.py

bench: setup .venv-bench/.done
	$(ROOT) $(BIN)/python -m bench

# The SageMaker SDKs v2 and v3, AWS's training toolkit, the AWS SDK for JavaScript (if npm is there) and Terraform (if it is
# there, and its provider in TERRAFORM_PLUGINS or where it looks itself), unmodified, each in its own environment (2 GB on disk).
sdk: setup studio .venv-sdk2/.done .venv-sdk3/.done .venv-toolkit/.done tests/sdk/js/node_modules/.done
	$(ROOT) $(BIN)/pytest -q tests/sdk

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--extra dev pyproject.toml -o requirements/dev.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		requirements/studio.in -o requirements/studio.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		requirements/browser.in -o requirements/browser.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		requirements/pytorch.in -o requirements/pytorch.txt

.venv-bench/.done: requirements/bench.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/bench.txt
	touch $@

.venv-sdk2/.done .venv-sdk3/.done .venv-toolkit/.done: .venv-%/.done: requirements/%.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/$*.txt
	touch $@

tests/sdk/js/node_modules/.done: tests/sdk/js/package-lock.json
	mkdir -p $(@D)
	if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund --prefix tests/sdk/js; \
		else echo "npm is not installed: the test of the SDK for JavaScript is skipped"; fi
	touch $@
