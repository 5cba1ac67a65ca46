# A fresh machine needs Python 3.11, 3.12 or 3.13 (with venv) and make; everything else comes from requirements/.
# Another Python: make test PYTHON=python3.12

PYTHON ?= python3
DATA ?= var/demo
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv pip
PYTEST := $(BIN)/python -m pytest
MANIFESTS := pyproject.toml sdk/pyproject.toml
export PYTHONPATH :=

.DEFAULT_GOAL := help
.PHONY: help demo up test check style types layers documents docs bench soak lock install clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/demo.stamp  ## the main job on real data, embedded, in $(DATA)
	$(BIN)/optaic-mlops demo --data $(DATA)
	@touch $(DATA).done

up: $(VENV)/demo.stamp $(DATA).done  ## serve the demo's data on http://127.0.0.1:8484
	$(BIN)/optaic-mlops up --data $(DATA)

$(DATA).done:
	@$(MAKE) --no-print-directory demo

test: $(VENV)/dev.stamp  ## everything: check, unit tests, heavier suites
	@$(BIN)/python .ci/suites.py

check: style types layers documents  ## style, types, layers, documents and locks

style: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/dev.stamp
	$(BIN)/python -m pyright

layers: $(VENV)/dev.stamp
	$(BIN)/lint-imports

documents: $(VENV)/dev.stamp
	@mkdir -p var/reports
	$(PYTEST) -q tests/docs --junitxml=var/reports/documents.xml

docs: $(VENV)/dev.stamp  ## write the generated pages of docs/ again
	$(BIN)/python -m docs.generate

bench: $(VENV)/dev.stamp  ## measure, side by side with the raw parts
	$(BIN)/python -m benchmarks

soak: $(VENV)/dev.stamp  ## the long form of the suites that have one
	$(PYTEST) tests --soak --timeout=0

lock:  ## resolve again; UPGRADE=--upgrade takes newer versions
	@$(MAKE) --no-print-directory $(VENV)/uv.stamp
	$(LOCK) requirements/uv.in -o requirements/uv.txt
	$(LOCK) $(PROJECT) --all-extras --group dev -o requirements/dev.txt
	$(LOCK) $(PROJECT) --constraint requirements/dev.txt --extra demo -o requirements/demo.txt
	$(LOCK) $(PROJECT) --constraint requirements/dev.txt $(SERVICE) -o requirements/service.txt
	$(LOCK) $(PROJECT) --constraint requirements/dev.txt -o requirements/core.txt

LOCK = $(UV) compile --quiet --universal --generate-hashes --no-header --python-version 3.11 $(UPGRADE)
SERVICE := --extra postgres --extra kafka --extra s3 --extra otel --extra demo
PROJECT := pyproject.toml requirements/build.in --no-emit-package optaic-mlops --override requirements/overrides.txt

install: $(VENV)/dev.stamp  ## the environment of development, nothing more

clean:  ## remove the environment and all local data
	rm -rf $(VENV) var

# One stamp a lock: dev holds what demo holds, demo what core holds, at the same versions (a test says so).
$(VENV)/uv.stamp: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || { \
	  echo "Python 3.11, 3.12 or 3.13 is needed; '$(PYTHON)' is $$($(PYTHON) -V 2>&1)."; \
	  echo "Install one and name it: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "This Python cannot make environments. On Debian: apt-get install python3-venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/uv.txt
	@touch $@

# Bytecode is made here: a process in the sandbox cannot write it and would compile everything each time.
$(VENV)/%.stamp: requirements/%.txt $(VENV)/uv.stamp $(MANIFESTS)
	$(UV) install --python $(BIN)/python --compile-bytecode --no-deps --require-hashes -r $<
	$(UV) install --python $(BIN)/python --no-deps --no-build-isolation -e ./sdk -e .
	@touch $(patsubst %,$(VENV)/%.stamp,$(HELD_BY_$*)) $@

HELD_BY_dev := demo core
HELD_BY_demo := core
