# make install   install chaosdrill with the lab and the report into .venv, in the versions and by the hashes of locks/
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
DRILLS := tests/lab/ tests/faults/ tests/kill/
# properties have a few examples in `make test`, and all of them here
LONG := long or hypothesis
# a file's tests in one process (tests/conftest.py), slow files first
DIST ?= loadfile
PYTEST := -m pytest --dist $(DIST) --no-loadscope-reorder
BIN := $(VENV)/bin
# what is installed: the versions and hashes of locks/ (made by .ci/lock), one for each Python
LOCK = locks/python$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
# the venv needs no pip of its own: Debian ships venv's ensurepip separately. What has no wheel is built with the
# setuptools that is installed first; --no-deps, as a lock is complete, and pip knows no hash of chaosdrill itself
PIP = $(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --no-deps --no-build-isolation
LOCKED = $(PIP) --require-hashes --only-binary :all: --no-binary antlr4-python3-runtime

# where Python may not keep what it has compiled, each process of the tests compiles all of it again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install drill test test-all test-long test-drills test-slow check clean

install: $(VENV)/.drill

drill: install
	@$(BIN)/chaos --no-version-check run --var scale:float=$(SCALE) experiments/failover.yaml

test: $(VENV)/.test
	@$(BIN)/python $(PYTEST) -n $(JOBS) -m 'not long' $(TESTS)

ifdef TESTS
test-all test-long: $(VENV)/.test
	@$(BIN)/python $(PYTEST) -n $(LONG_JOBS) -m '$(LONG)' $(TESTS)
else
test-all test-long: $(VENV)/.test
	@failed=0; $(MAKE) --no-print-directory test-drills || failed=1; $(MAKE) --no-print-directory test-slow || failed=1; exit $$failed
endif

# the two halves of test-all: whole drills compute, the others mostly wait
test-drills: $(VENV)/.test
	@$(BIN)/python $(PYTEST) -n $(LONG_JOBS) -m '$(LONG)' $(DRILLS)

test-slow: $(VENV)/.test
	@$(BIN)/python $(PYTEST) -n $(JOBS) -m '$(LONG)' $(filter-out $(DRILLS),$(wildcard tests/*/))

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.python:
	@test -n "$(PYTHON)" || { echo 'chaosdrill needs Python 3.11 or newer: install it, or give it with `make PYTHON=...`' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo '$(PYTHON) is too old: chaosdrill needs Python 3.11 or newer' >&2; exit 1; }
	@test -f $(LOCK).txt || { echo 'there is no $(LOCK).txt: take another Python with `make PYTHON=...`, or add this one to .ci/lock and run it' >&2; exit 1; }
	@$(PYTHON) -m venv --without-pip $(VENV)
	@touch $@

$(VENV)/.drill: $(VENV)/.python setup.cfg $(wildcard locks/*.txt)
	@echo 'installing chaosdrill into $(VENV) (once, about a minute)'
	@$(LOCKED) -r locks/build.txt
	@$(LOCKED) -r $(LOCK).txt
	@$(PIP) -e .
	@touch $@

$(VENV)/.test: $(VENV)/.drill
	@echo 'installing what the tests need into $(VENV) (once, about a minute)'
	@$(LOCKED) -r $(LOCK)-tests.txt
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
