# make drill     rehearse the failover on the embedded lab
# make test      install what the tests need and run them (about 4 minutes on 2 cores, when installed)
# make test-all  the other tests: whole drills, every case of slow matrices, pages in Chromium; see tests/README.md
# Variables: PYTHON (the interpreter to make .venv with), SCALE (of the lab's waits; 1 = the reference's real times)

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
SCALE ?= 0.2
# most tests wait for the lab's own waits, so more run at once than there are cores
JOBS ?= 8
# whole drills compute more, and their clients must not go short
LONG_JOBS ?= 4
# a file's tests in one process (tests/conftest.py), slow files first
DIST ?= loadfile
PYTEST := -m pytest --dist $(DIST) --no-loadscope-reorder
BIN := $(VENV)/bin
# the venv needs no pip of its own: Debian ships venv's ensurepip separately
PIP := $(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check -c constraints.txt

# where Python may not keep what it has compiled, each process of the tests compiles all of it again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: drill test test-all test-long check clean

drill: $(VENV)/.drill
	@$(BIN)/chaos --no-version-check run --var scale:float=$(SCALE) experiments/failover.yaml

test: $(VENV)/.test
	@$(BIN)/python $(PYTEST) -n $(JOBS) -m 'not long' $(TESTS)

test-all test-long: $(VENV)/.test
	@$(BIN)/python $(PYTEST) -n $(LONG_JOBS) -m long $(TESTS)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.python:
	@test -n "$(PYTHON)" || { echo 'chaosdrill needs Python 3.11 or newer: install it, or give it with `make PYTHON=...`' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo '$(PYTHON) is too old: chaosdrill needs Python 3.11 or newer' >&2; exit 1; }
	@$(PYTHON) -m venv --without-pip $(VENV)
	@touch $@

$(VENV)/.drill: $(VENV)/.python setup.cfg constraints.txt
	@echo 'installing chaosdrill into $(VENV) (once, about a minute)'
	@$(PIP) -e '.[lab,report]'
	@touch $@

$(VENV)/.test: $(VENV)/.python setup.cfg constraints.txt
	@echo 'installing chaosdrill and what its tests need into $(VENV) (once, about two minutes)'
	@$(PIP) -e '.[lab,report,test]'
	@touch $@ $(VENV)/.drill

clean:
	rm -rf $(VENV) build dist *.egg-info
