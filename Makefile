# make demo: train, label, embed and search on sound made here (DATA=dir: on your own). make test: the test suite.
# A supported Python (3.10 to 3.12) is found by itself; PYTHON=/path/to/python chooses one, VENV=dir another place.
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.10 python; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
RUN := $(VENV)/bin/python
DATA ?=

.PHONY: help demo test lint bench clean

help:
	@echo "make demo   train, label, embed, search and draw (DATA=dir: on your own sounds)"
	@echo "make test   the test suite"
	@echo "make lint   the linter and the formatter's check"
	@echo "make bench  the benchmarks, beside the plain way"
	@echo "make clean  remove the environment and what the demo made"

demo: $(VENV)/installed
	$(RUN) -m mxnet_audio demo --output demo/output $(if $(DATA),--data "$(DATA)")

test: $(VENV)/tested
	$(RUN) -m pytest

lint: $(VENV)/tested
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

bench: $(VENV)/installed
	for program in benchmarks/bench_*.py; do $(RUN) $$program || exit 1; done

clean:
	rm -rf $(VENV) build dist *.egg-info demo/output

$(VENV)/installed: requirements.txt setup.py
	@test -n "$(PYTHON)" || { echo "mxnet-audio needs Python 3.10, 3.11 or 3.12 (MXNet 1.9.1); none was found"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check setuptools wheel
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[dev]' -c requirements.txt
	touch $@
