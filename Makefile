# make demo   install, then train, translate and score Korean → English on the bundled sample (about 6 minutes on 2 cores)
# make test   install with the test extra, then run the tests
# make check  lint, format and types
# make bench-text KO=korean.txt EN=english.txt FASTTEXT=python-with-fasttext   tokenize and embed beside their peers
# make bench-train DATA=folder PEERS='--peer eole=venv …'   training speed beside other tools
# make bench-translate MODELS='--model 4+4=folder …' KO=text EN=translations PEERS='--peer eole=venv …'   translation speed beside other tools

PYTHON ?= python3
WORKERS := $(shell $(PYTHON) -c 'import os; print(min(8, 3 * os.cpu_count() // 2))')# of tests, some of which wait for others
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := pyproject.toml constraints.txt

.PHONY: demo test test-all check bench-text bench-train bench-translate bench-attention clean
.DEFAULT_GOAL := demo

demo: $(VENV)/installed
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(MAKE) --no-print-directory -f pipelines/ko-en.mk show

test: $(VENV)/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup

test-all: $(VENV)/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m ''

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench-text: $(VENV)/installed-dev
	$(PIP) install tokenizers
	$(BIN)/python benchmarks/tokenization.py --text ko=$(KO) --text en=$(EN) --out benchmarks/results/tokenize.json
	$(BIN)/python benchmarks/embed.py --text $(KO) --fasttext $(FASTTEXT) --out benchmarks/results/embed.json

bench-attention: $(VENV)/installed
	$(BIN)/python benchmarks/attention.py --out benchmarks/results/attention.json

bench-train: $(VENV)/installed
	$(BIN)/python benchmarks/train.py --data $(DATA) $(PEERS) --out benchmarks/results/train.json

bench-translate: $(VENV)/installed
	$(BIN)/python benchmarks/translate.py $(MODELS) --src $(KO) --ref $(EN) $(PEERS) --out benchmarks/results/translate.json

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(SOURCES) | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/installed-test: $(SOURCES) | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[test]'
	@touch $(VENV)/installed $@

$(VENV)/installed-dev: $(SOURCES) | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $(VENV)/installed $(VENV)/installed-test $@

clean:
	rm -rf work build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
