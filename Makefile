# Thin names for the commands a person would type. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help run test lint crds bench cluster cluster-down lock clean

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

run: $(READY) ## Serve the sample models on this machine until Ctrl-C; more words for it in ARGS="--port 8001"
	@$(BIN)/shoal up -f manifests/samples $(ARGS)

test: $(READY) ## Run every test that this machine can run
	@$(BIN)/pytest

lint: $(READY) ## Check style, types and the boundaries between packages
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

crds: $(READY) ## Write the CustomResourceDefinitions that shoal.api says, for kubectl and for the chart
	@$(BIN)/python -m shoal.crds manifests/crds helm/shoal/files/crds

bench: $(READY) ## Measure Shoal beside the limit and its peers (half an hour); a part alone with ARGS=llm or ARGS=servers
	@$(BIN)/python -m bench $(ARGS)

cluster: $(READY) ## Start a real Kubernetes on this machine, as root; use it with eval "$$(make -s cluster)"
	@PYTHONPATH=tests/cluster $(BIN)/python -m testcluster up

cluster-down: $(READY) ## Remove every trace of it
	@PYTHONPATH=tests/cluster $(BIN)/python -m testcluster down

lock: $(READY) ## Pin the newest versions that pyproject.toml allows
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  --quiet --output-file requirements/dev.txt

clean: ## Remove the environment and caches of this folder
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v < (3, 14) or sys.exit("Shoal needs Python 3.11, 3.12 or 3.13; %s is %d.%d. Name another one: make PYTHON=python3.12 ..." % (sys.executable, *v))'
	@echo "Making $(VENV) (once; a minute or two) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install --no-deps --no-build-isolation --editable .
	@touch $@
