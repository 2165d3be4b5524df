PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SMALL := .experiments/small
FULL := .experiments
RESULTS := benchmarks/results
# What is known of pools over seeds: with MEMBERS=$(RESULTS) their members are not trained again (what needs the pools
# themselves, behavior and iterating, is left out then).
MEMBERS ?= $(FULL)
WORKERS ?= 2
DEPENDENCIES ?= newest
# One thread for each worker: the threads of several wait for each other by spinning, which triples the time. Files in the
# order of tests/conftest.py, the long ones first.
# The oldest dependencies warn of what newer ones have settled, which is no error there.
PYTEST := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder $(if $(filter lowest,$(DEPENDENCIES)),-W default)
EFFICIENCY := --teacher $(FULL)/teachers/resnet20-by-stimulus.h5 --alpha 5 \
	--teacher $(FULL)/teachers/resnet20-by-category.h5 --alpha 1 --teacher-examples 180000 --first-seed 1 --samples 50
ITERATING := $(FULL)/seeds/nasbench201/seed0/pool.h5 --teacher $(FULL)/seeds/nasbench201/teachers/resnet20-by-category.h5 \
	--teacher $(FULL)/seeds/nasbench201/teachers/untrained-resnet-3-by-category.h5
PAGE := rivals-nasbench201.json rivals-macro.json screening-nasbench201.json screening-macro.json \
	free-predictors.json gains.json teachers.json cnn-teachers.json efficiency.json efficiency-longer.json \
	resnet20.json nasnet-a.json digits-resnet20.json
SEEDS := --seeds 0,1,2 --each 50 --train 0 --checkpoints 0,750,1500,3000,6000,12000 \
	--recordings cowley2023/190923=stimulus,cowley2023/210325=stimulus,kriegeskorte2008=stimulus,simulated=object_name

.PHONY: demo test test-slow test-all wheel lint docs bench experiments experiments-small clean

# Scores a pretrained network against simulated V4, pIT and aIT sites.
demo: $(VENV)/installed-demo
	@mkdir -p .demo
	$(BIN)/tgsage score efficientnet_lite0 --teacher simulated --plot .demo/simulated.png --json .demo/simulated.json
	@echo "picture: .demo/simulated.png"

# The default suite; `make test-all` adds what takes longer. WORKERS test files at a time. In an environment of another
# kind: make test VENV=.venv-3.13 PYTHON=python3.13, make test VENV=.venv-lowest DEPENDENCIES=lowest.
test: $(VENV)/installed-test
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-slow: $(VENV)/installed-test
	$(PYTEST) -m slow $(PYTEST_ARGS)

test-all: $(VENV)/installed-test
	$(PYTEST) $(PYTEST_ARGS)

# Wheel and sdist in a temporary folder, checked, and the wheel tried with the dependencies of VENV.
wheel: $(VENV)/installed-test
	.ci/wheel $(VENV)

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, of the pages in docs/, the tutorials beside them and the docstrings: build/docs/index.html.
docs: $(VENV)/installed-docs
	$(BIN)/python -m sphinx --fail-on-warning --quiet docs build/docs

bench: $(VENV)/installed-bench
	$(BIN)/tgsage bench speed

# All that docs/experiments.md shows: some sixteen hours of two cores, most of them for the pools over seeds. Interrupted,
# it goes on where it was. Of 233 random cells 200 are different networks.
experiments: $(VENV)/installed-bench
	@mkdir -p $(FULL)
	$(BIN)/tgsage train resnet:3 --data cifar10-jpeg --recipe one-cycle --epochs 10 --out $(FULL)/resnet20.pt \
		--resume --json $(RESULTS)/resnet20.json
	$(BIN)/tgsage train nasnet-a:1x8 --data cifar10-jpeg --recipe one-cycle --examples 54000 \
		--out $(FULL)/nasnet-a.pt --resume --json $(RESULTS)/nasnet-a.json
	for space in nasbench201 macro; do pool=$(FULL)/seeds/$$space; known=$(MEMBERS)/members-$$space.h5; \
		$(BIN)/tgsage bench pool $$pool --space $$space $(SEEDS) --workers $(WORKERS) \
			$$(test ! -e $$known || echo --members $$known) && \
		{ if ls $$pool/seed*/candidates/*.h5 > /dev/null 2>&1; then from=$$pool; else from=$$known; fi; } && \
		$(BIN)/tgsage bench teachers $$pool/teachers $$from --network $(FULL)/resnet20.pt --layers auto \
			--layers output && \
		$(BIN)/tgsage teacher compare $$from --network $(FULL)/resnet20.pt --bootstrap 200 \
			$$(test $$from = $$known || printf -- '--members %s ' $$known) \
			$$(test $$from = $$known || printf -- '--teacher %s ' $$pool/teachers/*.h5) \
			--json $(RESULTS)/rivals-$$space.json && \
		$(BIN)/tgsage bench screening $(FULL)/screening-$$space --pool $$known --teacher-examples 180000 \
			--teacher $$pool/teachers/resnet20-by-stimulus.h5 --json $(RESULTS)/screening-$$space.json || exit; done
	$(BIN)/tgsage bench gains --json $(RESULTS)/gains.json
	$(BIN)/tgsage bench pool $(FULL)/pool --cells 233 --workers $(WORKERS)
	$(BIN)/tgsage bench teachers $(FULL)/teachers $(FULL)/pool/pool.h5 --network $(FULL)/resnet20.pt \
		--network $(FULL)/nasnet-a.pt --layers auto --layers output
	$(BIN)/tgsage teacher compare $(FULL)/pool/pool.h5 $$(printf -- '--teacher %s ' $(FULL)/teachers/*.h5) \
		--weights --method pearson --method pearson-whitened --json $(RESULTS)/teachers.json
	for searcher in rl tpe; do $(BIN)/tgsage search --space cnn10 --searcher $$searcher --data digits --teacher none \
		--epochs 1 --samples 60 --workers $(WORKERS) --storage $(FULL)/cnn-search.db || exit; done
	$(BIN)/tgsage bench pool $(FULL)/cnn-pool --space cnn10 --data digits --recipe digits --train 0 --valid 0 \
		--cells 32 --search cnn10-rl@$(FULL)/cnn-search.db --search cnn10-tpe@$(FULL)/cnn-search.db --every 15 \
		--checkpoints 0,300,600,1200,2500,5000 --epochs 10 --recordings simulated=object_name --workers $(WORKERS)
	$(BIN)/tgsage train resnet:3 --data digits --recipe digits --out $(FULL)/digits-resnet20.pt --resume \
		--json $(RESULTS)/digits-resnet20.json
	$(BIN)/tgsage bench teachers $(FULL)/cnn-teachers $(FULL)/cnn-pool/pool.h5 --network $(FULL)/digits-resnet20.pt \
		--layers auto --layers output
	$(BIN)/tgsage teacher compare $(FULL)/cnn-pool/pool.h5 $$(printf -- '--teacher %s ' $(FULL)/cnn-teachers/*.h5) \
		--weights --method pearson --method pearson-whitened --json $(RESULTS)/cnn-teachers.json
	$(BIN)/tgsage bench efficiency $(FULL)/efficiency $(EFFICIENCY) --longer 0 --workers $(WORKERS) \
		--json $(RESULTS)/efficiency.json
	$(BIN)/tgsage bench efficiency $(FULL)/efficiency $(EFFICIENCY) --searchers random --workers $(WORKERS) \
		--json $(RESULTS)/efficiency-longer.json
	test ! -e $(FULL)/seeds/nasbench201/seed0/pool.h5 || { \
		$(BIN)/tgsage bench behavior $(FULL)/seeds/nasbench201/seed0 --json $(RESULTS)/behavior-nasbench201.json && \
		$(BIN)/tgsage bench iterating $(ITERATING) --examples 3000 --json $(RESULTS)/iterating.json && \
		$(BIN)/tgsage bench iterating $(ITERATING) --examples 12000 --json $(RESULTS)/iterating-longer.json; }
	$(BIN)/tgsage bench predictors --cells 1750 --json $(RESULTS)/free-predictors.json
	$(BIN)/tgsage bench searchers nasbench201 --json $(RESULTS)/nasbench201.json --plot docs/nasbench201.png
	$(BIN)/tgsage bench searchers macro --searchers pnas --seeds 40 --json $(RESULTS)/macro.json
	$(BIN)/tgsage bench searchers macro --seeds 10 --json $(RESULTS)/macro.json --plot docs/macro.png
	$(BIN)/tgsage bench recurrent --json $(RESULTS)/nas-bench-nlp.json
	$(BIN)/tgsage bench fronts --json $(RESULTS)/fronts.json --plot docs/fronts.png
	$(BIN)/tgsage bench page docs/experiments.md $(addprefix $(RESULTS)/,$(PAGE))

# The steps of `experiments` on digits: tiny pools of candidates, some teachers, searches with one of them, and the page
# about all that; what reads other data only where $TGSAGE_DATA has it.
experiments-small: export OMP_NUM_THREADS = 1
experiments-small: $(VENV)/installed-bench
	@mkdir -p $(SMALL)
	$(BIN)/tgsage bench pool $(SMALL)/pool --cells 24 --data digits --recipe digits --train 600 --valid 0 \
		--checkpoints 0,150,300,600 --recordings simulated=object_name --workers $(WORKERS)
	$(BIN)/tgsage train resnet:1 --data digits --recipe digits --epochs 4 --out $(SMALL)/resnet.pt --resume \
		--json $(SMALL)/resnet.json
	$(BIN)/tgsage bench teachers $(SMALL)/teachers $(SMALL)/pool/pool.h5 --network $(SMALL)/resnet.pt \
		--untrained resnet:1 --model ""
	$(BIN)/tgsage teacher compare $(SMALL)/pool/pool.h5 $$(printf -- '--teacher %s ' $(SMALL)/teachers/*.h5) \
		--weights --json $(SMALL)/teachers.json
	$(BIN)/tgsage bench pool $(SMALL)/seeds --seeds 0,1 --each 12 --data digits --recipe digits --train 600 --valid 0 \
		--checkpoints 0,300 --recordings "" --workers $(WORKERS)
	$(BIN)/tgsage bench teachers $(SMALL)/seeds/teachers $(SMALL)/seeds --network $(SMALL)/resnet.pt \
		--untrained resnet:1 --model ""
	$(BIN)/tgsage teacher compare $(SMALL)/seeds $$(printf -- '--teacher %s ' $(SMALL)/seeds/teachers/*.h5) \
		--members $(SMALL)/members.h5 --bootstrap 20
	$(BIN)/tgsage teacher compare $(SMALL)/members.h5 --network $(SMALL)/resnet.pt --bootstrap 50 \
		--json $(SMALL)/rivals.json
	$(BIN)/tgsage bench screening $(SMALL)/screening --pool $(SMALL)/members.h5 --proposals 10 --samples 5 \
		--examples 300 --teacher $(SMALL)/seeds/teachers/resnet-by-stimulus.h5 --seeds 2 --json $(SMALL)/screening.json
	$(BIN)/tgsage bench gains --repeats 10 --json $(SMALL)/gains.json
	$(BIN)/tgsage search --space toy --searcher tpe --data digits --teacher none --epochs 1 --samples 6 \
		--storage $(SMALL)/search.db
	$(BIN)/tgsage bench pool $(SMALL)/cnn-pool --space toy --data digits --recipe digits --train 300 --valid 0 --cells 4 \
		--search toy-tpe@$(SMALL)/search.db --every 6 --checkpoints 0,300 --epochs 1 --recordings ""
	$(BIN)/tgsage bench efficiency $(SMALL)/efficiency --data digits --recipe digits --train 600 --valid 0 \
		--examples 150 --longer 600 --pool $(SMALL)/pool --samples 12 --seeds 2 --searchers random,evolution \
		--teacher $(SMALL)/teachers/resnet-by-category.h5 --json $(SMALL)/efficiency.json
	$(BIN)/tgsage bench iterating $(SMALL)/seeds/seed0/pool.h5 --teacher $(SMALL)/seeds/teachers/resnet-by-stimulus.h5 \
		--examples 300 --samples 10 --every 5 --seeds 6 --json $(SMALL)/iterating.json
	$(BIN)/tgsage bench predictors --cells 30 --repeats 1 --data digits --json $(SMALL)/free-predictors.json
	$(BIN)/tgsage bench searchers nasbench201 --seeds 2 --searchers random,evolution --json $(SMALL)/nasbench201.json
	test ! -e "$$TGSAGE_DATA/nas_bench_macro" || \
		$(BIN)/tgsage bench searchers macro --seeds 2 --searchers random,evolution --json $(SMALL)/macro.json
	test ! -e "$$TGSAGE_DATA/nas_bench_nlp" || $(BIN)/tgsage bench recurrent --cells 4 --json $(SMALL)/nas-bench-nlp.json
	test ! -e "$$TGSAGE_DATA/cifar10h" || { \
		$(BIN)/tgsage bench pool $(SMALL)/cifar --cells 6 --train 300 --valid 200 --checkpoints 0,128 --tested 200 \
			--recordings "" --workers $(WORKERS) && \
		$(BIN)/tgsage bench behavior $(SMALL)/cifar --bootstrap 50 --json $(SMALL)/behavior.json; }
	$(BIN)/tgsage bench fronts --seeds 2 --searchers random,nsga2 --json $(SMALL)/fronts.json
	$(BIN)/tgsage bench page $(SMALL)/experiments.md $(addprefix $(SMALL)/,rivals.json gains.json \
		screening.json free-predictors.json teachers.json efficiency.json resnet.json)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed-%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[demo,plot,search,$*]"
	$(if $(filter lowest,$(DEPENDENCIES)),$(BIN)/python .ci/lowest.py | xargs $(BIN)/python -m pip install --quiet)
	@touch $@

clean:
	rm -rf $(VENV) .demo $(SMALL) build dist
