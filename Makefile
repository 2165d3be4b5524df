PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SMALL := .experiments/small

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

# A tiny pool of candidates, some teachers, searches with one of them, and the page about all that.
experiments-small: $(VENV)/installed-bench
	@mkdir -p $(SMALL)
	$(BIN)/tgsage bench pool $(SMALL)/pool --cells 24 --data digits --recipe digits --train 600 --valid 0 \
		--checkpoints 0,150,300,600 --recordings simulated=object_name
	$(BIN)/tgsage train resnet:1 --data digits --recipe digits --epochs 4 --out $(SMALL)/resnet.pt --resume
	$(BIN)/tgsage bench teachers $(SMALL)/teachers $(SMALL)/pool/pool.h5 --network $(SMALL)/resnet.pt \
		--untrained resnet:1 --model ""
	$(BIN)/tgsage teacher compare $(SMALL)/pool/pool.h5 $$(printf -- '--teacher %s ' $(SMALL)/teachers/*.h5) \
		--weights --json $(SMALL)/teachers.json
	$(BIN)/tgsage bench efficiency $(SMALL)/efficiency --data digits --recipe digits --train 600 --valid 0 \
		--examples 150 --longer 600 --pool $(SMALL)/pool --samples 12 --seeds 2 --searchers random,evolution \
		--teacher $(SMALL)/teachers/resnet-by-category.h5 --json $(SMALL)/efficiency.json
	$(BIN)/tgsage bench page $(SMALL)/experiments.md $(SMALL)/teachers.json $(SMALL)/efficiency.json

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed-%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[demo,$*]"
	@touch $@

clean:
	rm -rf $(VENV) .demo $(SMALL) build dist
