# The commands of a developer; CI uses them too. Needs python3 with venv; everything else is installed into .venv.
# PYTHON chooses another interpreter: make test PYTHON=python3.12
# TESTS chooses which tests to run, with any other option of pytest: make test TESTS='tests/align -x'

PYTHON ?= python3
BIN := .venv/bin
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help venv demo test check bench bench-serve

help:
	@echo "make demo         install what the demo needs and run it on real photographs"
	@echo "make test         run the tests, without the slow ones (real data and weights: MIEN_DATA, MIEN_TEST_MODELS)"
	@echo "make check        check format, lint, layers, types and shape: everything that CI checks besides the tests"
	@echo "make bench        measure how many photos a second are processed (needs MIEN_DATA)"
	@echo "make bench-serve  measure how fast the service answers, next to a model behind Flask"

venv: .venv/.installed-dev

demo: .venv/.installed-demo
	rm -rf demo-output
	$(BIN)/mien demo demo-output

# One process a core, four at most: each of them loads models of its own.
test: venv
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal -m "not slow" $(TESTS)

check: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/house/test_shape.py

bench: .bench-venv/.installed
	.bench-venv/bin/python benchmarks/throughput.py

bench-serve: venv .bench-venv/.installed
	$(BIN)/python benchmarks/serve.py

# Installed once, and again when the dependencies change.
.venv/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch .venv/.installed-demo $@

.venv/.installed-demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

# The programs that the benchmarks compare against; face_recognition imports pkg_resources, which setuptools 81 dropped.
.bench-venv/.installed: pyproject.toml
	$(PYTHON) -m venv .bench-venv
	.bench-venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dlib]' cleanlab flask 'setuptools<81'
	.bench-venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps face_recognition
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv .venv
