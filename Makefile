PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-fast lint bench clean

# Scores a pretrained network against simulated V4, pIT and aIT sites.
demo: $(VENV)/installed-demo
	@mkdir -p .demo
	$(BIN)/tgsage score efficientnet_lite0 --teacher simulated --plot .demo/simulated.png --json .demo/simulated.json
	@echo "picture: .demo/simulated.png"

test: $(VENV)/installed-test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-fast: $(VENV)/installed-test
	$(BIN)/python -m pytest -m "not slow" $(PYTEST_ARGS)

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/installed-bench
	$(BIN)/tgsage bench speed

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed-%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[demo,$*]"
	@touch $@

clean:
	rm -rf $(VENV) .demo build dist
