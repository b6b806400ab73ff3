# The same verbs for people and for CI. Each one makes .venv from nothing if it has to, so the
# first run takes a minute or two and the later ones start at once.
#
#   make test ARGS='-k ranger'     ARGS is handed on to the command behind a target
#   make test CASES=all            every case of each test; without it, some that the seed draws
#   make test WORKERS=1            so many tests at once; without it, as many as there are cores
#   make test PYTHON=python3.12    the interpreter that .venv is made with

PYTHON  ?= python3
ARGS    ?=
WORKERS ?= auto
N       ?= 20
VENV    := .venv
BIN     := $(VENV)/bin

# The pinned versions want Python 3.11: an older one takes what it can get. Constrained twice: what
# is installed, and what builds it.
PINS    := $(shell $(PYTHON) -c 'import sys; print("constraints.txt" * (sys.version_info >= (3, 11)))')
INSTALL := $(BIN)/python -m pip install --quiet \
	$(if $(PINS),--constraint $(PINS) --build-constraint $(PINS))

# Whoever is done first takes tests from the other, and a module stays together otherwise.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
QUICK  := -m "not slow and not dist"

# How many cases of each test. One over every optimizer, every type and every layout has hundreds,
# and a rule that is added must not multiply the suite. Tests that ARGS names have all their cases.
test:         CASES ?= 3
quick repeat: CASES ?= 3

# Bytecode is written, or each worker and each process that a test starts compiles all anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test quick repeat jax jax-tests gpu gpu-tests frameworks frameworks-tests
.PHONY: docs docs-site docs-serve docs-server
.PHONY: wheel versions check format bench stubs clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 19

demo: $(VENV)/lab.stamp ## compare five optimizers on a network, and see six on a surface
	$(BIN)/thalweg compare --jobs 2 $(ARGS)
	$(BIN)/thalweg landscape

test: $(VENV)/dev.stamp ## run every test, slow ones too: CASES (3) of each, or CASES=all
	$(PYTEST) --cases=$(CASES) $(ARGS)

quick: $(VENV)/dev.stamp ## run the quick tests: few cases of each, no processes, nothing long
	$(PYTEST) $(QUICK) --cases=$(CASES) $(ARGS)

repeat: $(VENV)/dev.stamp ## run the quick tests N times (20), each time in another order
	@for round in $$(seq $(N)); do \
		seed=$$(shuf -i 1-999999999 -n 1); \
		echo "round $$round of $(N), --randomly-seed=$$seed"; \
		$(PYTEST) $(QUICK) --cases=$(CASES) -q --randomly-seed=$$seed $(ARGS) || exit 1; \
	done; echo "$(N) rounds, none of them red"

# An environment of its own: nobody else here needs JAX. The same rules make it.
jax: ## run the tests of the JAX engine, in an environment of their own (.venv-jax)
	@$(MAKE) --no-print-directory VENV=.venv-jax jax-tests

jax-tests: $(VENV)/jax.stamp
	$(PYTEST) tests/fuse/jax $(ARGS)

# Likewise, so that nobody else here sees Triton. There need be no GPU.
gpu: ## run the tests of the GPU engine, in an environment of their own (.venv-gpu)
	@$(MAKE) --no-print-directory VENV=.venv-gpu gpu-tests

gpu-tests: $(VENV)/gpu.stamp
	$(PYTEST) tests/fuse/gpu $(ARGS)

frameworks: ## run the tests inside Lightning, Trainer, ..., in an environment (.venv-frameworks)
	@$(MAKE) --no-print-directory VENV=.venv-frameworks frameworks-tests

frameworks-tests: $(VENV)/frameworks.stamp
	$(PYTEST) tests/frameworks $(ARGS)

docs: ## build the book into site/, in an environment of its own (.venv-docs), and try it
	@$(MAKE) --no-print-directory VENV=.venv-docs docs-site

docs-site: $(VENV)/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	$(BIN)/python -m pytest tests/book $(ARGS)

docs-serve: ## show the book on http://127.0.0.1:8000 while it is written
	@$(MAKE) --no-print-directory VENV=.venv-docs docs-server

docs-server: $(VENV)/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve $(ARGS)

wheel: $(VENV)/dev.stamp ## build sdist and wheel, and run the quick tests on the wheel alone
	$(BIN)/python scripts/try_the_wheel.py

versions: $(VENV)/dev.stamp ## the same without torch on other Pythons (ARGS, else all found)
	$(BIN)/python scripts/try_the_wheel.py $(or $(ARGS),others)

check: $(VENV)/dev.stamp ## formatting, lint and types, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/dev.stamp ## put the source in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/torch.stamp ## time one step of each optimizer against torch's
	$(BIN)/python benchmarks/step_time.py $(ARGS)

# In an environment of its own too: it brings two dozen packages with it.
.PHONY: peers peers-tests audit audit-page
peers: ## hold our optimizers to other packages', in an environment of their own (.venv-peers)
	@$(MAKE) --no-print-directory VENV=.venv-peers peers-tests

peers-tests: $(VENV)/peers.stamp
	$(PYTEST) tests/peers $(ARGS)

audit: ## write docs/audit.md: which package computes something else than its paper
	@$(MAKE) --no-print-directory VENV=.venv-peers audit-page

audit-page: $(VENV)/peers.stamp
	$(BIN)/python -m scripts.audit $(ARGS)

stubs: $(VENV)/dev.stamp ## write the .pyi files of the generated classes anew, of both borders
	$(BIN)/python -m scripts.write_stubs
	$(BIN)/python -m scripts.write_mytorch_stub

clean: ## remove .venv, builds and caches; runs/ stays
	rm -rf $(VENV) .venv-* site build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Environments of their own aside (`make jax`), three installations in one .venv, each on top of the
# one before: what the command line needs, torch, and what the tests and the checks need. A stamp
# says which of them is there; it is as old as the files that decide it.
DECIDES := pyproject.toml constraints.txt Makefile

# pip first: the one that comes with Python may be too old for dependency groups.
$(VENV)/pip.stamp: constraints.txt
	@echo "making $(VENV) with $(PYTHON)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --upgrade pip
	@touch $@

$(VENV)/lab.stamp: $(VENV)/pip.stamp $(DECIDES)
	@echo "installing what the command line needs"
	$(INSTALL) --editable '.[lab]'
	@touch $@

# Not built on the stamp before: one pip call settles all versions at once, and it covers that one.
$(VENV)/torch.stamp: $(VENV)/pip.stamp $(DECIDES)
	@echo "installing torch and what the command line needs (torch is the large part)"
	$(INSTALL) --editable '.[torch,lab]'
	@touch $(VENV)/lab.stamp $@

$(VENV)/jax.stamp: $(VENV)/pip.stamp $(DECIDES)
	@echo "installing what the JAX engine is tested with"
	$(INSTALL) --editable '.[jax]' --group test
	@touch $@

$(VENV)/gpu.stamp: $(VENV)/pip.stamp $(DECIDES)
	@echo "installing what the GPU engine is tested with (torch is the large part)"
	$(INSTALL) --editable '.[gpu]' --group test
	@touch $@

# timm and fastai ask for torchvision, of which there is no build beside a CPU torch: they come
# alone. fastai asks for spaCy, too, which its learner does not import. DeepSpeed asks the torch that
# is there while it is built.
$(VENV)/frameworks.stamp: $(VENV)/pip.stamp $(DECIDES)
	@echo "installing the frameworks and torch (several minutes)"
	$(INSTALL) --editable '.[torch]' --group frameworks
	$(INSTALL) --no-deps timm fastai
	DS_BUILD_OPS=0 $(BIN)/python -m pip install --quiet $(if $(PINS),--constraint $(PINS)) \
		--no-deps --no-build-isolation deepspeed
	@touch $@

$(VENV)/docs.stamp: $(VENV)/pip.stamp $(DECIDES)
	@echo "installing what the book is built with"
	$(INSTALL) --editable . --group docs
	@touch $@

$(VENV)/dev.stamp: $(VENV)/pip.stamp $(DECIDES)
	@echo "installing what thalweg is tested with (torch is the large part)"
	$(INSTALL) --editable '.[all]' --group dev
	@touch $(VENV)/lab.stamp $(VENV)/torch.stamp $@

$(VENV)/peers.stamp: $(VENV)/pip.stamp $(DECIDES)
	@echo "installing the packages that our optimizers are held to (torch is the large part)"
	$(INSTALL) --editable '.[all]' --group test --group peers
	@touch $@
