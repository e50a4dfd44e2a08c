# The commands of the project. `make demo` and `make test` need Python >= 3.10 and git, nothing else.
PYTHON ?= python3
BUILD := .build
BIN := $(BUILD)/venv/bin
STAMP := $(BUILD)/installed

.DEFAULT_GOAL := help
.PHONY: help setup demo engine engine-down test campaign honest fuzz fuzz-replay coverage check format golden pictures bench clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## a virtual environment with envctl and its development tools

$(STAMP): pyproject.toml
	@mkdir -p $(BUILD)
	$(PYTHON) -m venv $(BUILD)/venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13'
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --editable . --group dev
	@touch $(STAMP)

demo: $(STAMP) ## the main job on real packages: profile, lockfile, Dockerfile, virtual environment, verdict
	@$(BIN)/python -m demo

engine: ## a container engine for the tests, with a registry and base images; prints KEY=VALUE lines
	@PYTHONPATH=tests $(PYTHON) -B -m support.engine up

engine-down: ## stop it; what was downloaded and made stays
	@PYTHONPATH=tests $(PYTHON) -B -m support.engine down

test: $(STAMP) ## the tests, but for the long ones; starts an engine where none runs
	$(BIN)/python -m pytest -n 2 --dist worksteal

honest: $(STAMP) ## no false alarm on gigabytes: the data science stack, and every Python of this machine
	$(BIN)/python -m pytest -m honest --durations=0

CAMPAIGN ?= tests

campaign: $(STAMP) ## the long tests: attacks, honest environments, random wheels at full size, and more; CAMPAIGN=… names some
	$(BIN)/python -m pytest -n 2 --dist worksteal -m campaign $(CAMPAIGN)

fuzz: $(STAMP) ## every reader of foreign files on random inputs, for FUZZ_SECONDS (600) in all, FUZZ_JOBS (2) at once
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group fuzz
	@PYTHONPATH=tests $(BIN)/python -m fuzz $(TARGET)

fuzz-replay: $(STAMP) ## what one input does: TARGET=record FILE=.build/fuzz/record/crash-…
	@PYTHONPATH=tests $(BIN)/python -m fuzz $(TARGET) --replay $(FILE)

coverage: $(STAMP) ## all tests, and the share of branches that they reach (at least 90 %)
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov=envctl --cov-branch --cov-report=term:skip-covered --cov-fail-under=90

check: $(STAMP) ## linters, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## rewrite the sources as the formatter wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

golden: $(STAMP) ## rewrite the golden files; review them like code
	ENVCTL_GOLDEN=rewrite $(BIN)/python -m pytest -q -k golden

pictures: $(STAMP) ## record the pictures of README and docs from real runs
	@PYTHONPATH=tests $(BIN)/python -B -m demo --pictures docs/pictures

bench: $(STAMP) ## the speed table of docs/reference/speed.md, side by side in one run
	$(BIN)/python -m benchmarks

clean: engine-down ## remove what the targets above made
	rm -rf $(BUILD)
