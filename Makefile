# Every target sets up what it needs, in .venv, and nothing else. `make` alone explains them.
PYTHON ?= python3
BIN := .venv/bin
# Installed sets are named after the content of these two files: a change in either installs again, nothing else does.
KEY := $(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)
RUN_SET := .venv/.installed-run-$(KEY)
TEST_SET := .venv/.installed-test-$(KEY)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Marks a set as installed and forgets those of other contents, which this install may have changed.
DONE = find .venv -maxdepth 1 -name '.installed-*' ! -name '*-$(KEY)' -exec rm {} + && touch $@
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test lint types format bench results coverage setup-run setup-test clean

help:  ## what can be done here
	@echo 'erlangen: symmetry for PyTorch. From a bare clone, with Python 3.11 or newer:'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo
	@echo 'The first `make run` or `make test` installs into .venv (minutes); later ones start at once.'
	@echo "More for the tests:    make test ARGS='tests/groups -k permutation -x'"
	@echo 'After make run:        .venv/bin/erlangen list'

run: $(RUN_SET)  ## the first experiment: real digits, a CNN, the same CNN made symmetric, both audited
	@$(BIN)/erlangen run quickstart $(ARGS)

test: $(TEST_SET)  ## all tests, the examples in docstrings and in the README
	@$(BIN)/python -m pytest $(ARGS)

lint: $(TEST_SET)  ## style, format and floors (who may import whom)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: $(TEST_SET)  ## static types of the package
	@$(BIN)/pyright

format: $(TEST_SET)  ## mend what ruff can mend by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(TEST_SET)  ## measure: every benchmark in benchmarks/, one process each
	@for file in benchmarks/*.py; do \
	  if [ -e "$$file" ]; then echo "== $$file"; $(BIN)/python "$$file" $(ARGS) || exit 1; fi; \
	done

# One after another, each into its own folder. A recipe that fails is named at the end; the page shows what there is.
results: $(TEST_SET)  ## the kept evidence in results/, remade: every recipe at its size `small` (hours), then the page
	@names='$(RECIPES)'; failed=; \
	[ -n "$$names" ] || names=$$($(BIN)/python -c 'from erlangen.recipes import CATALOG; print(*(e.name for e in CATALOG))') || exit 1; \
	for name in $$names; do \
	  echo "== $$name"; \
	  $(BIN)/erlangen run "$$name" --out "results/$$name" $(ARGS) || failed="$$failed $$name"; \
	done; \
	$(BIN)/erlangen report results --out results/index.html || exit 1; \
	if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

coverage: $(TEST_SET)  ## tests again, with the lines and branches that none of them reached
	@$(BIN)/python -m pytest --cov --cov-report=term $(ARGS)

setup-run: $(RUN_SET)  ## install only what `make run` needs
setup-test: $(TEST_SET)  ## install everything: all extras and the developers' tools

clean:  ## remove .venv and every cache
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage htmlcov build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "erlangen needs Python 3.11 or newer; '$(PYTHON)' is not. Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "no virtual environment: is Python's venv module installed?" >&2; exit 1; }
	@touch $@

# The test set contains the run set, so a finished test set counts as both.
$(RUN_SET): | .venv/.created
	@if [ ! -e $(TEST_SET) ]; then \
	  echo 'Installing what the first run needs into .venv (PyTorch among it: a few minutes, once) ...'; \
	  $(PIP) --editable '.[recipes]'; \
	fi
	@$(DONE)

$(TEST_SET): | .venv/.created
	@echo 'Installing all extras and the tools for tests into .venv (some minutes, once) ...'
	@$(PIP) --editable '.[all,dev]'
	@$(DONE)
