# make demo   the right size of the pool for a bundled trace, and what five settings make of it
# make test   the whole test suite, live-kernel tests included where this host allows them;
#             make test ARGS='tests/policies -k sieve' hands its words to pytest
# make test-guest   Debian's kernels under QEMU, each pool with each probe set
# make check  ruff and mypy --strict
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# a recording waits more than it works: one worker more than two cores
WORKERS := $(shell n=$$(nproc); echo $$((n < 3 ? 3 : n > 4 ? 4 : n)))

.PHONY: demo test test-guest check clean

# What a demo needs is installed first; test tools only where tests are run.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tmemlab needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,interop]'
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/tmemlab size sqlite-limit --ram 10G
	$(BIN)/tmemlab replay sqlite-limit --ram 10G --storms 60 -p zswap.v6_18 -p zswap.v6_18:max_pool_percent=3 \
		-p zswap.v6_18:max_pool_percent=2 -p tmem.frontswap -p vm.pressure

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

# apt-get install qemu-system-x86 busybox-static kmod gcc; downloads two kernels of 70 and 107 MB once
test-guest: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m guest tests/guest

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
