# make demo: tag, search, train, classify and embed synthesised sound (DATA=dir: your own). make test: the test suite.
# A supported Python (3.10 to 3.12) is found automatically; PYTHON=/path/to/python chooses one, VENV=dir another environment.
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.10 python; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check
# In this mode editors and mypy find an editable package, too.
EDITABLE := --config-settings editable_mode=compat --editable
DATA ?=

.PHONY: help demo test lint docs bench clean

help:
	@echo "make demo   tag, search, train, classify, embed and draw (DATA=dir: your own sounds)"
	@echo "make test   run the test suite, on all cores"
	@echo "make lint   run the linter, the formatter's check and the type checker"
	@echo "make docs   build the documentation into docs/_build/html"
	@echo "make bench  run the benchmarks"
	@echo "make clean  remove the environment, the documentation and the demo's output"

demo: $(VENV)/installed
	$(RUN) -m mxnet_audio demo --output demo/output $(if $(DATA),--data "$(DATA)")

# The tests of a process that crashes are run by the others: where it is started again, pytest-xdist may wait for ever.
test: $(VENV)/tested
	$(RUN) -m pytest -n auto --dist loadscope --max-worker-restart=0

lint: $(VENV)/tested
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

docs: $(VENV)/documented
	$(RUN) -m sphinx --fail-on-warning --quiet --builder html docs docs/_build/html

bench: $(VENV)/installed
	for program in benchmarks/bench_*.py; do $(RUN) $$program || exit 1; done

clean:
	rm -rf $(VENV) build dist *.egg-info demo/output docs/_build docs/auto_tutorials docs/reference/generated docs/sg_execution_times.rst

$(VENV)/installed: requirements.txt requirements-encoders.txt pyproject.toml setup.py
	@test -n "$(PYTHON)" || { echo "mxnet-audio needs Python 3.10, 3.11 or 3.12 (MXNet 1.9.1); none was found"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) setuptools wheel
	$(PIP) --requirement requirements.txt
	$(PIP) --no-deps --requirement requirements-encoders.txt
	$(PIP) --no-deps $(EDITABLE) .
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(PIP) $(EDITABLE) '.[dev]' --constraint requirements.txt
	-$(PIP) --no-deps milvus==2.3.5 # a server for the tests; where it has no wheel, they are skipped
	touch $@

$(VENV)/documented: $(VENV)/installed
	$(PIP) $(EDITABLE) '.[docs]' --constraint requirements.txt
	touch $@
