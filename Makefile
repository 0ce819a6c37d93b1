# Safety Eye. `make demo` shows it, `make test` proves it. Everything lives in .venv; nothing else of
# the machine is changed, but for the Debian servers that `make test` needs (apt, as root or sudo).
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help demo test lint unit bench soak servers clean

help:
	@echo "make demo    set up and play a cloudburst through virtual sensors (ARGS='--scenario NAME')"
	@echo "make test    lint, types, floors and every test, with real servers and a real browser"
	@echo "make lint    formatting, ruff, mypy, import floors"
	@echo "make bench   speed on this machine, as ratios to baselines of the same run"
	@echo "make soak    long runs: random bytes, kills under load"

demo: $(VENV)/.hub
	@$(BIN)/safety-eye demo $(ARGS)

# Three files at a time: most tests wait for real programs, which leaves two cores idle. Those that
# wait longest begin first, so that none is alone at the end.
test: $(VENV)/.dev servers lint
	$(BIN)/python -m pytest -m 'not soak' -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -m 'not soak' --ignore=tests/integration --ignore=tests/end_to_end --ignore=tests/chaos $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/safety-eye bench $(ARGS)

soak: $(VENV)/.dev servers
	$(BIN)/python -m pytest -m soak --timeout 7200 $(ARGS)

# The servers that the tests talk to: a real broker, real databases, a real browser.
servers:
	@bash tests/install_servers.sh

$(VENV)/.hub: pyproject.toml
	@bash tests/make_venv.sh "$(PYTHON)" "$(VENV)" hub
	@touch $@

$(VENV)/.dev: pyproject.toml
	@bash tests/make_venv.sh "$(PYTHON)" "$(VENV)" hub,grafana,postgres,score,bench,dev
	@touch $@ $(VENV)/.hub

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
