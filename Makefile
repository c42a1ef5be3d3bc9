# Every task starts here: `make help` lists them.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
NEEDLE := $(BIN)/needle
DEMO   := .demo
# xdist: one worker more than the two cores of CI, because many tests wait: for a browser, a sensor, a disk. Each takes
# up to 2 GB. Who gets what: tests/workers.py.
JOBS   ?= 3

# The tests start hundreds of processes; each would compile every module.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test unit check lint format types arch contract audit sbom licences deploy wheel bench faults hostile load serve dagster clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	$(BIN)/python -m ops.embeddings.starter.torch_tower
	@touch $@

setup: $(VENV)/.ready ## create .venv and install everything, pinned

demo: setup ## ingest footage (FOOTAGE=dir, or clips from a pip package), search it, say where to look next
	$(NEEDLE) demo $(if $(FOOTAGE),"$(FOOTAGE)")

# In a fresh clone mypy takes one core for two minutes; the other checks take the other one.
test: setup ## every check and every test
	$(MAKE) -j2 check
	$(BIN)/python -m pytest -n $(JOBS) --max-worker-restart 0

unit: setup ## the quick tests only
	$(BIN)/python -m pytest -n $(JOBS) --max-worker-restart 0 tests/unit

check: lint types arch audit ## lint, types, architecture, and known vulnerabilities

lint: setup ## ruff, notebooks included; oxlint for the page; the language of docstrings and comments
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/oxlint ops/serve/page
	$(BIN)/python -m tests.house.plain_english

format: setup ## let ruff mend what it can; write the page's types of the API
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m tests.house.service_types

types: setup ## mypy, strict; TypeScript, strict, for the page (the compiler is part of deno)
	$(BIN)/mypy
	DENO_NO_UPDATE_CHECK=1 $(BIN)/deno check --quiet --no-remote --no-npm -c tsconfig.json ops/serve/page

arch: setup ## who may import whom
	$(BIN)/lint-imports --no-cache

contract: setup ## the suite of the index against a Qdrant server: QDRANT_URL=http://host:6333 [QDRANT_API_KEY=...]
	NEEDLE_TEST_QDRANT_URL=$(QDRANT_URL) NEEDLE_TEST_QDRANT_API_KEY=$(QDRANT_API_KEY) \
		$(BIN)/python -m pytest tests/contract/test_index_contract.py -k server

audit: setup ## known vulnerabilities of the pinned packages, if the advisory database can be reached
	$(BIN)/python -m tests.house.audit

# In an environment of its own: see the extra `sbom` in pyproject.toml.
sbom: setup ## write sbom.json: every installed package, as CycloneDX
	test -x $(VENV)/sbom/bin/cyclonedx-py || { $(PYTHON) -m venv $(VENV)/sbom && \
		$(VENV)/sbom/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt cyclonedx-bom; }
	$(VENV)/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json $(BIN)/python

licences: setup ## print the licences of packages and models
	$(BIN)/pip-licenses --python $(BIN)/python --format=markdown --with-urls --order=license
	@sed -n '/^| model/,/^$$/p' docs/licences.md

deploy: setup ## install the tools that check deploy/, and run its tests
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[deploy]'
	$(BIN)/python -m pytest tests/deploy

wheel: setup ## build dist/needle-VERSION.whl
	$(BIN)/python -m pip wheel --disable-pip-version-check -q --no-deps -w dist .

faults: setup ## kill commands at random moments, fill disks, and compare what is left (KILLS=10 of each command)
	$(BIN)/python -m tests.faults --kills $(or $(KILLS),10)

hostile: setup ## ingest mutated films and subtitles (EACH=24 of each kind, 0: all)
	$(BIN)/python -m tests.hostile --each $(or $(EACH),24)

load: setup ## 64 clients on the service beside slow ones, while its indexes switch (MINUTES=10)
	$(BIN)/python -m tests.load --minutes $(or $(MINUTES),10)

bench: setup ## measure, side by side in one run, and print ratios
	$(BIN)/python -m tests.bench $(BENCH)

serve: setup ## the search page on http://127.0.0.1:8080
	$(NEEDLE) serve

dagster: setup ## the Dagster page and daemon on http://127.0.0.1:3000
	$(NEEDLE) dagster

clean: ## remove caches and the demo; keeps .venv and .needle
	rm -rf $(DEMO) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
