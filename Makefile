# Everything here works in a fresh clone with Python 3.11 or newer; what it installs goes into .venv and .tox.

PYTHON ?= python3
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
TOX := $(BIN)/tox run -q

# The web UI needs Node.js 20.19 or newer, with npm; where the machine has none, .venv gets it.
NODE_LOCK := $(shell command -v npm >/dev/null && \
	node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null \
	|| echo -r requirements/node.txt)

.DEFAULT_GOAL := help
.PHONY: help demo web screenshots test fuzz test-real test-e2e chaos soak fmt lock proto docs pages audit cluster-up cluster-down cluster-shell clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.all web ## A simulated cluster and the web UI on http://127.0.0.1:8080 (PORT=… for another port)
	@echo "Pulltrace with a simulated cluster: http://127.0.0.1:$(PORT)  (Ctrl-C ends it)"
	@$(BIN)/pulltrace demo --http-addr 127.0.0.1:$(PORT)

web: $(VENV)/.all ## Build the web UI, if a source has changed
	@$(BIN)/python hatch_build.py

screenshots: $(VENV)/.dev web ## Take the pictures of docs/images again (needs chromium)
	@$(BIN)/python -m tests.web.screenshots

test: $(VENV)/.tools ## Lint, types, tests without root, web UI, packages: the first step of CI
	@echo "lint, typing, py, web, dist and docs, two at a time: some minutes; failures are shown at the end"
	@$(BIN)/tox run-parallel --parallel 2

fuzz: $(VENV)/.dev ## Try the decoders of foreign bytes with new inputs (MINUTES=… for longer than 2; KIND=… for one kind; SEED=…)
	@$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),2) $(if $(SEED),--seed $(SEED)) $(KIND)

test-real: $(VENV)/.tools web ## Tests against real containerd and a real API server (root; see CONTRIBUTING.md)
	@$(TOX) -e real $(if $(ARGS),-- $(ARGS))

test-e2e: $(VENV)/.tools ## Tests against a whole cluster on this machine (root; builds Kubernetes once)
	@$(TOX) -e e2e $(if $(ARGS),-- $(ARGS))

chaos: $(VENV)/.dev ## Break a real cluster for MINUTES=10 and check Pulltrace's reports (root; SEED=… repeats a run)
	@$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

soak: $(VENV)/.dev ## Check memory, open files and tasks for growth in HOURS=1 of pulls and viewers (root)
	@$(BIN)/python -m benchmarks.soak --hours $(or $(HOURS),1)

fmt: $(VENV)/.tools ## Format and fix
	@$(TOX) -e fmt

lock: $(VENV)/.tools ## Resolve requirements/*.txt again (UPGRADE=1: to the newest versions)
	@$(TOX) -e lock

proto: $(VENV)/.tools ## Generate the code of the .proto files again
	@$(TOX) -e proto

docs: $(VENV)/.tools ## Build the documentation site into site/
	@$(TOX) -e docs

pages: $(VENV)/.tools ## Write the generated pages of the documentation again: settings, values, metrics, API
	@$(TOX) -e pages

audit: $(VENV)/.tools ## Check the locked packages for known vulnerabilities
	@$(TOX) -e audit

cluster-up: $(VENV)/.dev ## Start a real cluster of two nodes on this machine (root)
	@$(BIN)/python -m tests.cluster up

cluster-down: $(VENV)/.dev ## Stop it and remove all that is left of it
	@$(BIN)/python -m tests.cluster down

cluster-shell: $(VENV)/.dev ## A shell with kubectl, helm and ctr for it
	@$(BIN)/python -m tests.cluster shell

clean: ## Remove everything that was installed or built
	rm -rf $(VENV) .tox dist build site web/node_modules web/dist pulltrace/server/static artifacts \
		.coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# .venv grows in steps: tools (uv, tox), then the packages of pulltrace, then those of its development.
# The locks agree on every version, so a step only adds.

$(VENV)/.tools: requirements/tools.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Pulltrace needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.11 …" >&2; exit 1; }
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV) \
		|| { echo "'$(PYTHON) -m venv' does not work here; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.txt
	@touch $@

$(VENV)/.all: $(VENV)/.tools requirements/all.txt pyproject.toml
	@echo "Installing pulltrace into $(VENV)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/all.txt $(NODE_LOCK)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.all requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@
