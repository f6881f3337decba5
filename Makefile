# The whole project in three verbs: setup, evolve, test.
#
#   make evolve                         the main job on the embedded default
#   make evolve RUN=runs/mine ARGS="--seed 1 --controls"
#   make setup PYTHON=python3.12        another interpreter

PYTHON ?= python3
ARGS ?=
VENV := .venv
INSTALLED := $(VENV)/.installed

.PHONY: setup evolve test lint clean

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "visplay needs Python 3.11 or newer; name one: make setup PYTHON=python3.12" >&2; exit 2; }
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

# A fresh directory a call, unless RUN names one.
evolve: RUN ?= runs/evolve-$(shell date +%Y%m%d-%H%M%S)
evolve: setup
	$(VENV)/bin/visplay evolve --out $(RUN) $(ARGS)

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

test: lint
	$(VENV)/bin/python -m pytest -q

# Runs are results: they stay.
clean:
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
