# `make repro` sets everything up and runs what params.yaml names; the rest is listed by `make help`.
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true

.PHONY: scm help setup repro smoke test test-all torture check audit ui export-deps ray clean

help:
	@echo "make repro     find the winning tickets of the experiments under report: in params.yaml, and write reports/"
	@echo "make smoke     do the same with the tiny experiment digits, in a minute or two"
	@echo "make setup     only install the packages in .venv"
	@echo "make ui        open MLflow to browse all runs"
	@echo "make test      run the test suite; make test-all adds the slow tests and those that download"
	@echo "make export-deps  install what python -m pipeline.export needs for ONNX"
	@echo "make torture   kill, damage and mutate what the pipeline runs and reads, for 10 to 35 minutes"
	@echo "make ray       install Ray, for lanes on several machines (docs/cluster.md)"
	@echo "make check     run the linter and the type checker"
	@echo "make audit     ask whether a pinned package has a known vulnerability"

setup: $(VENV)/.ready

repro: scm
	@since=$$(date +%s); python -m pipeline.repro && python -m pipeline.headline --since $$since
	@python -m pipeline.tracking sync || true

smoke: scm
	@since=$$(date +%s); python -m pipeline.repro experiments/digits/dvc.yaml && python -m pipeline.headline --since $$since digits
	@python -m pipeline.tracking sync digits || true

test: $(VENV)/.ready-dev
	python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-all: $(VENV)/.ready-dev
	python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "slow or network or not slow"

torture: $(VENV)/.ready-dev
	python -m tests.torture

check: $(VENV)/.ready-dev
	ruff check .
	ruff format --check .
	mypy

audit: .venv-audit/.ready # not part of CI, which needs package registries only; docs/security.md
	@.venv-audit/bin/python .ci/audit.py constraints.txt $(sort $(wildcard requirements*.txt))

ui: $(VENV)/.ready
	python -m pipeline.tracking sync
	python -m pipeline.tracking ui

export-deps: $(VENV)/.ready
	python -m pip install --quiet --requirement requirements-export.txt

ray: $(VENV)/.ready
	python -m pip install --quiet --requirement requirements-ray.txt

scm: $(VENV)/.ready # a source archive has no .git, so DVC needs this setting until there is one
	@if [ ! -e .git ]; then dvc config --local core.no_scm true; \
	elif grep -qs no_scm .dvc/config.local; then dvc config --local --unset core.no_scm; fi

$(VENV)/.ready: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	@echo "setting up $(VENV), which takes a few minutes, and 7 GB if torch includes CUDA"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --requirement requirements.txt
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.txt requirements-export.txt requirements-ray.txt
	$(VENV)/bin/python -m pip install --quiet --requirement requirements-dev.txt
	@touch $@

.venv-audit/.ready: requirements-audit.txt constraints.txt
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --requirement requirements-audit.txt
	@touch $@

clean:
	rm -rf work reports/digits .lottery .venv-audit mlflow.db mlflow-artifacts .pytest_cache .mypy_cache .ruff_cache
