# Every target makes what it needs: `make demo` and `make test` start from Python 3.11 and make.
# Another interpreter: make test PYTHON=python3.13
#
# Tests on PostgreSQL use the server that ABANDONED_BOOKING_TEST_POSTGRES names (a URL), else server
# programs of this machine, else those of a wheel; tests on MariaDB use programs of this machine, and
# are skipped where there are none. With ABANDONED_BOOKING_TEST_REQUIRE=postgres,mariadb they fail.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: $(VENV)/.has-cli ## a salon's month, from first click to recovered booking
	$(BIN)/abandoned-booking demo

.PHONY: test
test: $(VENV)/.has-dev ## all tests, and every branch of the core covered
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -n auto --cov --cov-report= $(ARGS)
	@$(BIN)/coverage report --include='*/abandoned_booking/core/*' --fail-under=100
	@echo "every branch of core/ is covered"

.PHONY: floors
floors: ## the tests that touch our dependencies, with the oldest that we promise to work with
	$(MAKE) --no-print-directory VENV=.venv-floors .venv-floors/.has-floors
	.venv-floors/bin/python -m pytest -n auto tests/core tests/export tests/test_package.py \
		tests/stores/test_sqlalchemy.py::TestRequestsOnPostgres tests/stores/test_sqlalchemy_queries.py \
		tests/stores/test_migrations.py $(ARGS)

.PHONY: docs
docs: $(VENV)/.has-dev ## run the code of README, docs and examples
	$(BIN)/python -m pytest tests/test_docs.py $(ARGS)

.PHONY: lint
lint: $(VENV)/.has-dev ## style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

.PHONY: format
format: $(VENV)/.has-dev ## put the style right
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: types
types: $(VENV)/.has-dev ## mypy, strict
	$(BIN)/mypy

.PHONY: imports
imports: $(VENV)/.has-dev ## who may import whom
	$(BIN)/lint-imports --no-logo

.PHONY: check
check: lint types imports test ## all that CI asks for

.PHONY: bench
bench: ## every benchmark beside its peers, and docs/benchmarks.md from it; BENCH=quick for a short one
	@$(MAKE) --no-print-directory VENV=.venv-bench .venv-bench/.has-bench
	.venv-bench/bin/python -m benchmarks._run $(ARGS)

.PHONY: faults
faults: $(VENV)/.has-dev ## kill, stop and cut off workers, on SQLite and PostgreSQL; takes its time
	cd tests && $(abspath $(BIN))/python -m faults.run --store sqlite $(ARGS)
	cd tests && $(abspath $(BIN))/python -m faults.run --store postgres $(ARGS)

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf .venv .venv-floors .venv-bench build dist htmlcov .coverage .coverage.* \
		.pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtualenv that another process is using, or that a developer made, is kept.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "abandoned-booking needs Python 3.11 or later; say make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

# The stamps say what was installed, for which pyproject.toml.
$(VENV)/.has-cli: pyproject.toml | $(BIN)/python
	$(PIP) install -e '.[cli]'
	@touch $@

$(VENV)/.has-dev: pyproject.toml | $(BIN)/python
	$(PIP) install -e '.[dev]'
	@touch $@ $(VENV)/.has-cli

# Our own dependencies exactly at their floors; what only the tests use is current.
$(VENV)/.has-floors: pyproject.toml tests/floors.py | $(BIN)/python
	$(PIP) install -e '.[dev]' $$($(BIN)/python tests/floors.py)
	@touch $@

# The peers have an environment of their own: Celery would take python-dateutil back to 2.9.
$(VENV)/.has-bench: pyproject.toml | $(BIN)/python
	$(PIP) install -e '.[bench]'
	@touch $@
