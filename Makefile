# Two commands on a fresh machine:   make repro   (train, evaluate, report)     make test   (prove it)
SHELL := /bin/bash
export SHELL # through which DVC starts commands, and which may refuse service
VENV ?= .venv
PYTHON ?= python3
export PATH := $(abspath $(VENV))/bin:$(PATH)
export USER ?= rosphere
# Nothing phones home.
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := 1
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export HF_HUB_DISABLE_TELEMETRY := 1
# OpenMP's threads spin for long before they sleep: two busy processes on the same cores get ten times slower. This
# much costs nothing on a free machine.
export GOMP_SPINCOUNT ?= 10000

INSTALLED := $(VENV)/.installed
TESTED := $(VENV)/.installed-test
UV := $(shell command -v uv 2>/dev/null)
ifdef UV
  # uv does not read pip's own variable for local wheels.
  export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
  venv = [ -x "$(VENV)/bin/python" ] || uv venv -q --python $(PYTHON) "$(VENV)"
  install = uv pip install -q -p "$(VENV)/bin/python" -c constraints.txt
else
  venv = [ -x "$(VENV)/bin/python" ] || $(PYTHON) -m venv "$(VENV)"
  install = "$(VENV)/bin/python" -m pip install -q --disable-pip-version-check -c constraints.txt
endif

# One thread a test process and as many processes as cores; the tests of a file share their fixtures.
PYTEST := OMP_NUM_THREADS=1 python -m pytest -n auto --dist loadfile
ALL := not slow and not gpu

.PHONY: install repro repro-alone scm flow test quick check ui bench clean help
repro: $(INSTALLED)
	@exec python -m pipeline.workspace.lock $(MAKE) --no-print-directory repro-alone

repro-alone: scm
	@python -m pipeline.run.check
	@# DVC empties a stage's outputs before it runs; if the stage fails, what it had made before comes back.
	@python -m pipeline.run.forecast
	@ROSPHERE_FORECAST=$(CURDIR)/.run/forecast.json python -m pipeline.workspace.outputs dvc --wait-for-lock repro
	@cat reports/summary.md
	@echo; echo "Look at everything: file://$(CURDIR)/reports/index.html"
	@echo "Try the models:     $(VENV)/bin/rosphere try      (search, paraphrases, similarity, in a browser)"
	@echo "Compare runs:       make ui                       (Prefect and MLflow, on this machine)"

# DVC must be told of a folder that lies in no git repository, such as an unpacked archive, and again when it does.
scm: $(INSTALLED)
	@if [ -e .git ] || { git rev-parse --git-dir >/dev/null 2>&1 && ! git check-ignore -q .; }; then \
	  ! grep -qs no_scm .dvc/config.local || dvc config -q --local --unset core.no_scm; \
	  else grep -qs no_scm .dvc/config.local || dvc config -q --local core.no_scm true; fi

install: scm

help:
	@echo "make repro    install, then train, evaluate and report; the same again goes on where it stopped"
	@echo "make test     install what the tests need, and prove it       make quick   without servers and the real graph"
	@echo "make ui       Prefect and MLflow on this machine               make flow    the same stages through Prefect"
	@echo "make install  install and no more                              make check   ruff, mypy and the tests"
	@echo "make bench    every benchmark                                  make clean   away with .venv and .run"

flow: scm
	@python -m flows.pipeline

ui: scm
	@python -m flows.ui

test: $(TESTED)
	@$(PYTEST) -m "$(ALL)"

# While changing things: without what starts servers, flows, several processes or the real graph.
quick: $(TESTED)
	@$(PYTEST) -m "$(ALL) and not integration"

check: $(TESTED)
	ruff check .
	ruff format --check .
	mypy
	$(PYTEST) -m "$(ALL)"

bench: $(TESTED)
	python -m benchmarks

clean:
	rm -rf "$(VENV)" .run .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(INSTALLED): pyproject.toml constraints.txt environment.pth
	@echo "installing into $(VENV) (once) ..."
	@$(venv)
	@$(install) -e '.[pipeline]'
	@# So that .venv/bin/dvc finds this python for its stages, whatever PATH is: else it would empty outputs and fail.
	@cp environment.pth "$$("$(VENV)/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")/rosphere.pth"
	@touch "$@"

$(TESTED): $(INSTALLED)
	@$(install) -e '.[test,check]'
	@touch "$@"
