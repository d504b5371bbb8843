# Every target does its own set-up: Python 3.11 to 3.13, git and make are all that must be there.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13; do $$p -c '' 2>/dev/null && echo $$p && break; done || echo python3)
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup demo compare test test-full lint bench bench-retrain bench-generation bench-serve ui prefect-ui weaviate weaviate-cluster postgres mlflow-server lock clean

setup: $(VENV)/.models

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "error[E001] Python 3.11 to 3.13 is needed – PYTHON=$(PYTHON) – install one, or name it: make PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	$(BIN)/uv pip sync --require-hashes --compile-bytecode --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# The base model is converted once for each user, and kept by its sha256.
$(VENV)/.models: $(VENV)/.installed
	$(BIN)/python -m lorag.prepare
	@touch $@

demo: setup
	$(BIN)/python -m lorag.demo

# All strategies on all versions of the sample knowledge base: more than an hour on two cores; goes on where it was killed.
compare: setup
	$(BIN)/lorag timeline knowledge/v1 knowledge/v2 knowledge/v3
	$(BIN)/lorag --workspace build/timeline/workspace compare

# Two processes, since a test waits for servers half of its time; a file's tests stay together, and so do its servers.
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder

test: setup
	$(BIN)/python -m pytest -m "not full" $(PYTEST_ARGS)

# With the long suites: every kill, fault, cluster and trigger. More than an hour on two cores.
test-full: setup
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pydoclint --quiet src flows
	$(BIN)/python infra/dependencies.py

# The UIs of one workspace: make ui WORKSPACE=build/demo/workspace
WORKSPACE ?= .

ui: $(VENV)/.installed
	PYTHON=$(CURDIR)/$(BIN)/python mlflow/serve.sh $(WORKSPACE)

prefect-ui: $(VENV)/.installed
	@mkdir -p $(WORKSPACE)/.lorag/prefect
	PREFECT_HOME=$(abspath $(WORKSPACE))/.lorag/prefect PREFECT_SERVER_ANALYTICS_ENABLED=false \
	  $(BIN)/prefect server start --host 127.0.0.1

weaviate: $(VENV)/.installed
	$(BIN)/python infra/weaviate/start.py

weaviate-cluster: $(VENV)/.installed
	$(BIN)/python infra/weaviate/cluster.py

postgres: $(VENV)/.installed
	$(BIN)/python infra/postgres/start.py

mlflow-server: $(VENV)/.installed
	PYTHON=$(CURDIR)/$(BIN)/python mlflow/server.sh

# The peers have an environment of their own: some of their needs and lorag's exclude each other.
build/bench-venv/.installed: benchmarks/requirements.lock $(VENV)/.installed
	$(BIN)/uv venv -q --clear --python $(BIN)/python build/bench-venv
	$(BIN)/uv pip sync --require-hashes --python build/bench-venv/bin/python benchmarks/requirements.lock
	@touch $@

bench: setup build/bench-venv/.installed
	$(BIN)/python benchmarks/refresh.py

bench-retrain: setup build/bench-venv/.installed
	$(BIN)/python benchmarks/retrain.py

bench-generation: setup build/bench-venv/.installed
	$(BIN)/python benchmarks/generation.py

bench-serve: setup
	$(BIN)/python benchmarks/serve.py

lock: $(VENV)/.installed
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --all-extras --quiet \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  pyproject.toml -o requirements.lock
	cd benchmarks && ../$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" requirements.in -o requirements.lock
	cd tests/clients && ../../$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" requirements.in -o requirements.lock

clean:
	rm -rf $(VENV) build .lorag artifacts
