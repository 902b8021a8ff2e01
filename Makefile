# Thin names for the commands a person would type. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := PYTHONPATH=tests/cluster:tests/support $(BIN)/python
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install
# A run starts hundreds of processes: each would compile anew whatever it imports.
unexport PYTHONDONTWRITEBYTECODE
# What a new checkout finds again.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
PIN := $(BIN)/uv pip compile --universal --python-version 3.11 --quiet \
  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate

# Processes that run tests: one for what needs an API server, one for what runs Ray, and one for what
# is left while those wait.
WORKERS ?= 3
# What builds the images: docker, podman or buildah.
IMAGE_TOOL ?= docker
REGISTRY ?= localhost
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' operator/shoal/__init__.py)
IMAGE = $(IMAGE_TOOL) build --build-arg VERSION=$(VERSION) $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help run test lint crds manifests bench bench-operator image image-gpu cluster cluster-down lock clean

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

run: $(READY) ## Serve the sample models on this machine until Ctrl-C; more words for it in ARGS="--port 8001"
	@$(BIN)/shoal up -f manifests/samples $(ARGS)

test: $(READY) ## Run every test that this machine can run; some of them with ARGS="tests/unit -k fleet"
	@$(BIN)/pytest --numprocesses $(WORKERS) $(ARGS)

lint: $(READY) ## Check style, types and the boundaries between packages
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@MYPY_CACHE_DIR="$(CACHE)/shoal-mypy" $(BIN)/mypy
	@$(BIN)/lint-imports

crds: $(READY) ## Write the CustomResourceDefinitions that shoal.api says, for kubectl and for the chart
	@$(BIN)/python -m shoal.crds manifests/crds helm/shoal/files/crds

manifests: crds ## Write what is made of the chart: manifests/install.yaml, and what tests compare with
	@$(TOOLS) -m shoal_chart

bench: $(READY) ## Measure Shoal beside the limit and its peers (half an hour); a part alone with ARGS=llm or ARGS=servers
	@$(BIN)/python -m bench $(ARGS)

bench-operator: $(READY) ## Measure the operator with 5,000 Models (15 minutes); fewer with ARGS="--models 100 --fleets 2 --times 1"
	@PYTHONPATH=tests/cluster:tests/support $(BIN)/python -m bench.control $(ARGS)

image: ## Build both images, for CPUs; other words in IMAGE_TOOL=podman REGISTRY=my.registry/shoal ARGS="--build-arg BASE=..."
	$(IMAGE) --file operator/Dockerfile --tag $(REGISTRY)/shoal-operator:$(VERSION) .
	$(IMAGE) --file serving/Dockerfile --tag $(REGISTRY)/shoal-serving:$(VERSION) .

image-gpu: ## Build the serving image for GPUs: several gigabytes of CUDA
	$(IMAGE) --build-arg VARIANT=gpu --file serving/Dockerfile --tag $(REGISTRY)/shoal-serving:$(VERSION)-gpu .

cluster: $(READY) ## Start a Kubernetes with Shoal and its samples on this machine, as root; use it with eval "$(make -s cluster)"
	@$(TOOLS) -m shoalcluster up

cluster-down: $(READY) ## End it; what was built stays in ~/.cache/shoal-cluster (6 GB)
	@$(TOOLS) -m shoalcluster down

lock: $(READY) ## Pin the newest versions that pyproject.toml allows; the images take what the tests ran with
	@$(PIN) pyproject.toml --extra dev --upgrade --output-file requirements/dev.txt
	@for image in operator serving serving-gpu; do \
	  $(PIN) pyproject.toml --extra $$image --constraint requirements/dev.txt --upgrade --output-file requirements/$$image.txt || exit; \
	done
	@$(PIN) --group build --constraint requirements/dev.txt --upgrade --output-file requirements/build.txt

clean: ## Remove the environment and caches of this folder
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v < (3, 14) or sys.exit("Shoal needs Python 3.11, 3.12 or 3.13; %s is %d.%d. Name another one: make PYTHON=python3.12 ..." % (sys.executable, *v))'
	@echo "Making $(VENV) (once; a minute or two) ..." >&2
	@$(PYTHON) -m venv $(VENV)
	@# uv takes seconds for what takes pip a minute. It reads none of pip's settings, so where those say
	@# where packages come from, pip goes on.
	@sed -n '/^uv==/,/[^\\]$$/p' requirements/dev.txt > $(VENV)/uv.txt
	@$(PIP) --require-hashes -r $(VENV)/uv.txt
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.txt \
	  || $(PIP) --require-hashes -r requirements/dev.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
