# Muniment: `make demo` and `make test` set up whatever they need. `make help` lists the rest.

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.set-up

# The tests start thousands of Python processes. Without bytecode, each of them compiles its modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo quick test coverage second check soak bench lock sbom servers clean

help:  ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' Makefile

$(STAMP): pyproject.toml requirements.lock tools/set-up.sh
	@sh tools/set-up.sh $(VENV)
	@touch $@

servers:
	@sh tools/servers.sh test

demo: $(STAMP)  ## Send sample journal mail through an embedded gateway into a throw-away vault
	@$(VENV)/bin/muniment demo

quick: $(STAMP)  ## Run the tests that start no program and open no socket (under a minute)
	@$(VENV)/bin/pytest --quick -n 2 --dist worksteal --durations 5

test: $(STAMP) servers  ## Run the tests (under 10 minutes)
	@$(VENV)/bin/pytest -n 6 --dist worksteal

coverage: $(STAMP) servers  ## Report which lines and branches of core the tests run: at least 90%
	@$(VENV)/bin/coverage erase
	@$(VENV)/bin/coverage run -m pytest -n 4 --dist worksteal --timeout 600 -m "not soak and not slow"
	@$(VENV)/bin/coverage combine --quiet
	@$(VENV)/bin/coverage report

second: $(STAMP) servers  ## Run the unit and app tests on another Python (PYTHON=python3.12 chooses which)
	@sh tools/second-python.sh $(PYTHON)

check: $(STAMP)  ## Lint, types, and the direction of imports
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

soak: $(STAMP)  ## Run the long tests: hundreds of crashes, the whole corpus, 200,000 messages, a day watched, an hour of fuzzing, bare Debians, real mail servers
	@sh tools/servers.sh soak
	@$(VENV)/bin/pytest -m soak -n 2 --dist loadfile --no-loadscope-reorder --timeout 7200 --durations 60 tests

bench: $(STAMP)  ## Measure side by side with peers; writes docs/benchmarks.md
	@sh tools/servers.sh bench
	@$(PY) -m benchmarks

lock: $(STAMP)  ## Write requirements.lock again from pyproject.toml: exact releases with their hashes
	@sh tools/lock.sh

sbom: $(STAMP)  ## Write sbom.cdx.json, the list of all parts (CycloneDX), from requirements.lock
	@sh tools/sbom.sh

clean:  ## Remove what set-up made
	@rm -rf $(VENV) .venv-second* .venv-lock .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.*
