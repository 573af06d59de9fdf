# `make demo` and `make test` do all the set-up themselves.
export OMP_NUM_THREADS ?= 1
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
PYTHON ?= python3
BIN := .venv/bin
# One worker a core; the tests of one file share their fixtures.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile

.PHONY: demo test test-all lint types docs bench clean

.venv/run.stamp: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Setting up .venv (once; about a minute) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[report]"
	@touch $@

.venv/test.stamp: .venv/run.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test]"
	@touch $@

.venv/docs.stamp: .venv/run.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	@touch $@

demo: .venv/run.stamp
	$(BIN)/hetgraph demo

test: .venv/test.stamp
	$(PYTEST)

test-all: .venv/test.stamp
	$(PYTEST) -m "all or not all"

lint: .venv/test.stamp
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

# mypy and mkdocstrings do not follow the import hook of an editable install: they read links in the layout of the installed package.
LINKS := rm -rf build/types && mkdir -p build/types/hetgraph \
	&& ln -s $(CURDIR)/hetgraph/* $(CURDIR)/datasets $(CURDIR)/trainers build/types/hetgraph/

types: .venv/test.stamp
	@$(LINKS)
	cd build/types && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml --cache-dir $(CURDIR)/.mypy_cache -p hetgraph

# The site of docs/ and results/, in site/.
docs: .venv/docs.stamp
	@$(LINKS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: .venv/test.stamp
	$(BIN)/python benchmarks/wmmse.py && $(BIN)/python benchmarks/speed_quality.py

# Checkpoints in runs/ and labels in data/ cost hours; they stay.
clean:
	rm -rf .venv build site dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .benchmarks
