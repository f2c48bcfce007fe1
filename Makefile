# Every target works as the first command in a fresh clone. It needs Python >= 3.10 and make, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two workers: what the tests are measured with. `make test WORKERS=8` on a larger machine.
WORKERS ?= 2
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test test-browser browser-packages test-versions lab build site lint clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/.installed ## build the notebooks, grade a bundled class, show the results
	@$(BIN)/python -m autograder build
	@$(BIN)/python -m autograder demo

test: $(VENV)/.installed ## run all tests and report line and branch coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadscope \
	    --cov --cov-branch --cov-report=term $(PYTEST_ARGS)

test-browser: $(VENV)/.browser ## run the tests in a real browser (Chromium); screenshots go to build/screenshots/
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -rs -m browser tests/browser $(PYTEST_ARGS)

browser-packages: $(VENV)/.browser # what drives the browser, which is somebody else's to install

test-versions: $(VENV)/.installed ## run the notebooks with the oldest and newest versions, on each Python that is here
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -rs -m versions tests/colab tests/autograder $(PYTEST_ARGS)

lab: $(VENV)/.installed ## open the student notebooks in JupyterLab
	@$(BIN)/python -m jupyter lab --notebook-dir=notebooks

build: $(VENV)/.installed ## rebuild notebooks/ from solutions/
	@$(BIN)/python -m autograder build

site: $(VENV)/.installed ## make the course's web pages in docs/_build/html; SOLUTIONS=1 shows the solutions, too
	@$(BIN)/python -m sphinx -q -W --keep-going -b html $(if $(SOLUTIONS),-t solutions) docs docs/_build/html
	@echo "docs/_build/html/index.html"

lint: $(VENV)/.ruff ## check style and formatting
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .

clean: ## remove the environment and caches; course/ with its gradebook stays
	rm -rf $(VENV) build dist .coverage .coverage.* htmlcov .pytest_cache .ruff_cache .hypothesis
	rm -rf *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. A stamp is written only after the step before it went well, so a broken one is tried again.

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	    echo "This course needs Python 3.10 or newer. Found: $(PYTHON), $$($(PYTHON) --version 2>&1 | head -n 1)" >&2; \
	    echo "Name another one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	    echo "'$(PYTHON)' has no venv module. On Debian or Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check 'pip>=23.1'
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing into $(VENV). This takes a few minutes, once."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check \
	    -c constraints.txt -e '.[lab,grading,site,dev]'
	@touch $@

$(VENV)/.browser: $(VENV)/.installed
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[browser]'
	@touch $@

$(VENV)/.ruff: $(VENV)/.made constraints.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt ruff
	@touch $@
