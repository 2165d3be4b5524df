PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-fast lint bench experiments-small clean

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

# A tiny pool of candidates, some teachers, and the page that compares them.
experiments-small: $(VENV)/installed-bench
	@mkdir -p .experiments
	$(BIN)/tgsage bench pool .experiments/pool --cells 24 --data digits --recipe digits --train 600 --valid 0 \
		--checkpoints 0,150,300,600 --recordings simulated=object_name
	$(BIN)/tgsage train resnet:1 --data digits --recipe digits --epochs 4 --out .experiments/resnet.pt --resume
	$(BIN)/tgsage bench teachers .experiments/teachers .experiments/pool/pool.h5 --network .experiments/resnet.pt \
		--untrained resnet:1 --model ""
	$(BIN)/tgsage teacher compare .experiments/pool/pool.h5 $$(printf -- '--teacher %s ' .experiments/teachers/*.h5) \
		--weights --page .experiments/experiments.md

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed-%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[demo,$*]"
	@touch $@

clean:
	rm -rf $(VENV) .demo .experiments build dist
