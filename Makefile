# Two commands set everything up: `make demo` and `make test`. Both can be run again.

VENV := .venv
BIN := $(VENV)/bin
BARE := build/bare
.DEFAULT_GOAL := help

.PHONY: help demo test torture lint docs wheel smoke bench bench-large bench-trail bench-report bench-completion clean
.DELETE_ON_ERROR:

help:
	@echo "make demo     install into $(VENV), and walk through the whole job"
	@echo "make test     install what the tests need, and run them"
	@echo "make torture  kills, faults, power cuts, fuzzing and the state machine, for many hours"
	@echo "make lint     ruff, mypy, and whether the generated files are stale"
	@echo "make docs     write the generated files: man pages, completions, reference"
	@echo "make wheel    build the wheel into dist/"
	@echo "make smoke    install the wheel into a bare venv, and try it there"
	@echo "make bench    measure cold calls and 20,000 people against their floors, in two minutes"
	@echo "make bench-large  the same people, up to a million, for a quarter of an hour"
	@echo "make bench-completion  measure the completions in bash, zsh and fish"
	@echo "make bench-trail  measure an audit trail of ten million events, in five minutes"
	@echo "make bench-report  measure a report on a million people, for half an hour"

demo: $(VENV)/.installed
	@$(BIN)/bunkerctl demo

test: $(VENV)/.test
	@tools/packages.sh test
	$(BIN)/python -m pytest -n auto -rs

torture: $(VENV)/.test
	@tools/packages.sh test
	$(BIN)/python -m pip install --quiet --group torture || echo "no atheris: the tests' own fuzzer"
	BUNKERCTL_TORTURE=1 $(BIN)/python -m pytest -rs --hypothesis-profile=torture \
		tests/faults tests/test_rotation.py tests/test_model.py

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python tools/generate.py --check

docs: $(VENV)/.installed
	$(BIN)/python tools/generate.py

wheel: $(VENV)/.installed
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

smoke: $(BARE)/.installed
	tools/smoke.sh $(BARE)

bench: $(BARE)/.installed
	$(BARE)/bin/python bench/run.py bench/RESULTS.md

bench-large: $(BARE)/.installed
	$(BARE)/bin/python bench/run.py bench/LARGE.md 10000 100000 1000000

bench-completion: $(VENV)/.installed
	$(BIN)/python bench/completion.py bench/COMPLETION.md

bench-trail: $(BARE)/.installed
	$(BARE)/bin/python bench/trail.py bench/TRAIL.md

bench-report: $(BARE)/.installed
	$(BARE)/bin/python bench/report.py bench/REPORT.md

clean:
	rm -rf $(VENV) build dist

$(VENV)/.installed: pyproject.toml
	@tools/packages.sh venv
	test -x $(BIN)/python || "$$(tools/packages.sh python)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group test
	@touch $@

$(VENV)/.lint: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --group lint
	@touch $@

# A venv with the wheel and its dependencies, and nothing else.
$(BARE)/.installed: wheel
	rm -rf $(BARE)
	"$$(tools/packages.sh python)" -m venv $(BARE)
	$(BARE)/bin/python -m pip install --quiet --upgrade 'pip>=25.2'  # an older one's start scripts import re
	$(BARE)/bin/python -m pip install --quiet dist/*.whl
	@touch $@
