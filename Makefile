# Everything here makes its own virtual environment in .venv on first use.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
INSTALL = $(BIN)/pip install --quiet --constraint constraints.txt --editable

.PHONY: leaderboard report verify test test-slow test-ray lint format speed docs clean

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

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.baselines: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing into $(VENV) (first time only) ..."
	@$(INSTALL) ".[baselines]" && touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing into $(VENV) (first time only) ..."
	@$(INSTALL) ".[baselines,render,dev,docs]" && touch $@ $(VENV)/.baselines $(VENV)/.docs

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing into $(VENV) (first time only) ..."
	@$(INSTALL) ".[docs]" && touch $@

$(VENV)/.rivals: $(VENV)/.baselines
	@$(INSTALL) ".[rivals]" && touch $@

$(VENV)/.ray: $(VENV)/.dev
	@echo "Installing Ray into $(VENV) (140 MB, first time only) ..."
	@$(INSTALL) ".[rllib]" && touch $@

clean:
	rm -rf $(VENV) build dist docs/generated *.egg-info
