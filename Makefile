# Everything here makes its own virtual environment in .venv on first use. CONTRIBUTING.md says what to type without make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable

.PHONY: leaderboard report verify test test-slow test-ray test-lower test-frameworks lint format speed docs dist clean

leaderboard: $(VENV)/.baselines      ## train, evaluate and rank on real simulated networks (minutes)
	@rm -rf runs/leaderboard
	$(BIN)/python -m benchmarks run --quick --out runs/leaderboard
	$(BIN)/python -m benchmarks leaderboard --results runs/leaderboard

report: $(VENV)/.baselines           ## the stored results as a page: runs/report.html
	$(BIN)/python -m benchmarks report --out runs/report.html

verify: $(VENV)/.baselines           ## play the stored results again, and make their tables again
	$(BIN)/python -m benchmarks verify

test: $(VENV)/.dev                   ## the test suite
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist worksteal

test-slow: $(VENV)/.dev              ## the published Monte-Carlo anchors at full size
	$(BIN)/python -m pytest -m slow -n 2

test-ray: $(VENV)/.ray               ## what needs Ray: RLlib's example, cells on two Ray workers
	$(BIN)/python -m pytest tests/test_examples.py tests/benchmarks/test_executors.py -k "rllib or ray"

test-frameworks: $(VENV)/.python     ## a script for each library, each in an environment of its own, and the table of the docs
	$(BIN)/python .ci/frameworks.py

test-lower: $(VENV)-lower/.installed ## the environments' tests with the oldest versions that pyproject.toml allows
	NUMBA_CACHE_DIR=$(CURDIR)/$(VENV)-lower/kernels $(VENV)-lower/bin/python -m pytest -m "not slow" \
	    -n 2 --dist worksteal tests/golden tests/vector tests/physics/test_control.py tests/physics/test_uatf.py tests/ris_auction/test_auction.py tests/api/test_checkers.py

lint: $(VENV)/.dev                   ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

speed: $(VENV)/.rivals               ## steps per second, beside NumPy and a rival suite
	$(BIN)/python -m benchmarks speed

docs: $(VENV)/.docs                  ## the documentation as a static site: build/docs/index.html
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/docs

dist: $(VENV)/.dev                   ## what a package index gets, checked: dist/
	@rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m twine check --strict dist/*

# An environment that works stays. One of a Python that is too old, or half made, is made anew; what can't be made leaves
# nothing behind. The second line parses under any Python.
REQUIRED := import sys; v = "%d.%d.%d" % sys.version_info[:3]; sys.version_info < (3, 11) and sys.exit( \
    "Python 3.11 or newer is needed; $(PYTHON) is " + v + ". Name another: make PYTHON=python3.12")
$(VENV)/.python:
	@if $(BIN)/python -c '$(REQUIRED)' 2>/dev/null && $(BIN)/python -m pip --version >/dev/null 2>&1; then touch $@; exit; fi; \
	 command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON) is here. Name another: make PYTHON=python3.12"; exit 1; }; \
	 $(PYTHON) -c '$(REQUIRED)' || exit 1; \
	 rm -rf $(VENV); trap 'rm -rf $(VENV)' EXIT; trap 'exit 1' INT TERM; \
	 $(PYTHON) -m venv $(VENV) && touch $@ && trap - EXIT

$(VENV)/.baselines: pyproject.toml constraints.txt | $(VENV)/.python
	@echo "Installing into $(VENV) (first time only) ..."
	@$(INSTALL) ".[baselines]" && touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.python
	@echo "Installing into $(VENV) (first time only) ..."
	@$(INSTALL) ".[baselines,render,dev,docs]" && touch $@ $(VENV)/.baselines $(VENV)/.docs

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/.python
	@echo "Installing into $(VENV) (first time only) ..."
	@$(INSTALL) ".[docs]" && touch $@

$(VENV)/.rivals: $(VENV)/.baselines
	@$(INSTALL) ".[rivals,render]" && touch $@

$(VENV)/.ray: $(VENV)/.dev
	@echo "Installing Ray into $(VENV) (140 MB, first time only) ..."
	@$(INSTALL) ".[rllib]" && touch $@

$(VENV)-lower/.installed: pyproject.toml .ci/lower_bounds.py | $(VENV)/.python
	@echo "Installing into $(VENV)-lower (first time only) ..."
	@rm -rf $(VENV)-lower && $(BIN)/python -m venv $(VENV)-lower
	@$(BIN)/python .ci/lower_bounds.py > $(VENV)-lower/lower.txt
	@$(VENV)-lower/bin/python -m pip install --quiet --constraint $(VENV)-lower/lower.txt --editable . \
	    pytest pytest-xdist hypothesis pygame && touch $@

clean:
	rm -rf $(VENV) $(VENV)-lower $(VENV)-frameworks build dist docs/generated *.egg-info
