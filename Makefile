# `make` alone lists the targets. Everything is installed into .venv by the first target that needs it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2

.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

setup: $(STAMP) ## create .venv with everything in it

demo: $(STAMP) ## the whole job on real parts: queue, worker, ledger, simulator, reconciliation
	$(BIN)/gong-views demo

test: $(STAMP) ## the whole test suite
	$(BIN)/python -m pytest -n $(WORKERS)

test-lowest: $(STAMP) ## the parts' tests with the lowest versions of our dependencies that are allowed
	$(BIN)/python -m tests.versions lowest

test-newest: $(STAMP) ## the same with the newest Python on PATH (or NEWEST_PYTHON) and the newest of everything
	$(BIN)/python -m tests.versions newest

format: $(STAMP) ## rewrite the files in the project's format, and the docs' tables that are made from the code
	$(BIN)/python -m tests.reference
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP) ## formatting, lint, types, import rules, and the conventions of tests/conventions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/conventions

docs: $(STAMP) ## build the docs site into build/site; any broken link or name fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

audit: $(STAMP) ## ask for known weaknesses of every pinned package (needs the advisories of the package index)
	$(BIN)/uv tool run --quiet pip-audit==2.10.1 --requirement constraints.txt --no-deps --disable-pip

hashes: $(STAMP) ## record in deploy/requirements.txt what the image installs, each file by its hash
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--constraint constraints.txt --extra worker --extra console --extra postgres --extra outbox --extra alerts --extra otel \
		--output-file deploy/requirements.txt pyproject.toml

sbom: $(STAMP) ## the software bill of materials of an installation (CycloneDX), into build/sbom.json
	$(BIN)/uv venv --quiet --clear build/sbom
	$(BIN)/uv pip install --quiet --python build/sbom --constraint constraints.txt '.[worker,console,outbox,postgres,embedded,alerts,otel]'
	$(BIN)/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py environment build/sbom/bin/python \
		--pyproject pyproject.toml --output-reproducible --output-file build/sbom.json
	rm -r build/sbom

check: lint docs test ## exactly what CI runs

bench: $(STAMP) ## ratios against peers, measured side by side
	for bench in benchmarks/[a-z]*.py; do PYTHONPATH=. $(BIN)/python $$bench || exit 1; done

MINUTES ?= 10
SEED ?=
soak: $(STAMP) ## every fault at random for MINUTES=10, then the reconciliation; SEED=n repeats a run
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

crash-matrix: $(STAMP) ## kill -9 between every two steps, on both databases, as a table
	$(BIN)/python -m tests.crash.matrix

.PHONY: help setup demo test test-lowest test-newest format lint docs audit sbom check bench soak crash-matrix
