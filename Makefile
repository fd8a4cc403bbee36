# Everything that these targets need is installed into .venv, once, and again when its list changes.

PYTHON ?= python3
VENV ?= .venv

VPY := $(VENV)/bin/python
PIP := $(VPY) -m pip -qq --disable-pip-version-check --no-input
# A venv that is broken or half made is made anew, and one of another Python than a PYTHON that was asked for.
ASKED := $(filter environment command,$(firstword $(origin PYTHON)))
IS := -c 'import sys, pip; print(sys.version)' 2>/dev/null
IS_ASKED := -c 'import sys; print(sys.version)' 2>/dev/null
USABLE = $(shell is=$$($(VPY) $(IS)) && test "$$is" = "$$($(if $(ASKED),$(PYTHON),$(VPY)) $(IS_ASKED))" && echo yes)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test check bench docs install release soak clean generated FORCE

help: ## this list
	@echo "make TARGET, with PYTHON=python3.12 for another Python than python3:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 14

demo: $(VENV)/.demo ## the main job, on a local stand-in for AWS
	@$(VPY) docs/demo/demo.py

test: $(VENV)/.test $(VENV)/.dynalite ## all tests; ARGS="-k breaker" hands words to pytest
	@$(VPY) -m pytest -n 2 --dist loadgroup $(ARGS)

check: $(VENV)/.test ## lint, format, types, template, generated files, who imports whom, spelling and style, docs
	@$(VPY) -m ruff check .
	@$(VPY) -m ruff format --check .
	@$(VPY) -m mypy
	@$(VPY) docs/generate.py --check
	@$(VENV)/bin/cfn-lint --regions us-east-1 -- deploy/cloudformation.yaml
	@$(VPY) -m codespell_lib README.md CHANGELOG.md SECURITY.md Makefile setup.py example-config.conf docs deploy dynamic_dynamodb
	@$(VPY) -m pytest -q tests/project/test_layers.py tests/project/test_style.py
	@$(MAKE) --no-print-directory docs

bench: $(VENV)/.test ## speed and scale; ARGS=--write updates docs/performance.md
	@$(VPY) tests/bench/run.py $(ARGS)

generated: $(VENV)/.test ## write the generated files anew
	@$(VPY) docs/generate.py

docs: $(VENV)/.docs ## the documentation as HTML, in docs/_build; a warning is an error
	@rm -rf docs/_build
	@$(VPY) -m sphinx -q -W --keep-going -d docs/_build/doctrees docs docs/_build/html
	@echo "The documentation: docs/_build/html/index.html"

soak: $(VENV)/.test ## the slow tests: races, months of checks, a daemon, random input; an hour; SOAK_SEED=N repeats a run
	@SOAK=1 $(VPY) -m pytest -q tests/daemon/test_daemonizer.py tests/decisions/test_properties.py tests/end_to_end/test_fuzz.py tests/end_to_end/test_soak.py $(ARGS)

# With a PREFIX it gets a venv of its own: modules in PREFIX/lib/pythonX.Y are found by one Python only,
# and systems forbid pip to write there.
install: ## pip install . or, with PREFIX=/usr/local, apart from it
	@rm -rf build
ifdef PREFIX
	@$(call usable_python,$(PYTHON))
	@$(PYTHON) -m venv --clear "$(PREFIX)/lib/dynamic-dynamodb"
	@"$(PREFIX)/lib/dynamic-dynamodb/bin/python" -m pip -qq --disable-pip-version-check install .
	@mkdir -p "$(PREFIX)/bin"
	@ln -sf ../lib/dynamic-dynamodb/bin/dynamic-dynamodb "$(PREFIX)/bin/dynamic-dynamodb"
	@echo "installed: $(PREFIX)/bin/dynamic-dynamodb"
else
	$(PYTHON) -m pip install .
endif

# From what git has, so that nothing else of this folder gets in.
release: $(VENV)/.release ## dist/, built and checked; UPLOAD=1 with TWINE_* set: uploaded, too
	@test -z "$$(git status --porcelain)" || { echo "make release: commit first: a release is what git has" >&2; exit 1; }
ifdef UPLOAD
	@test -n "$$TWINE_USERNAME" && test -n "$$TWINE_PASSWORD" && test -n "$$TWINE_REPOSITORY_URL" \
	  || { echo "make release: UPLOAD takes TWINE_USERNAME, TWINE_PASSWORD and TWINE_REPOSITORY_URL in the environment" >&2; exit 1; }
endif
	@rm -rf build dist && mkdir -p build/source
	@git archive HEAD | tar -xf - -C build/source
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(VPY) -m build --quiet --no-isolation --outdir dist build/source
	@rm -rf build
	@$(VPY) -m twine --no-color check --strict dist/*
	@DIST=dist $(VPY) -m pytest -q tests/project/test_packaging.py
	@$(VPY) tests/release.py dist
	@cd dist && sha256sum *.tar.gz *.whl > SHA256SUMS && cat SHA256SUMS
ifdef UPLOAD
	@$(VPY) -m twine upload --non-interactive dist/*.tar.gz dist/*.whl
else
	@echo "Checked, and not uploaded: that takes UPLOAD=1 (see docs/release.md)."
endif

clean: ## remove all that was made here, .venv too
	rm -rf $(VENV) build dist docs/_build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -exec rm -rf {} +

# One clear line where the Python will not do.
define usable_python
$(1) -c "" >/dev/null 2>&1 || { echo "make: no $(1) here that runs; PYTHON=/path/to/python3.12 make ... names another" >&2; exit 1; }; \
$(1) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
  || { echo "make: $(1) is $$($(1) --version 2>&1), and Python 3.10 or later is needed; PYTHON=python3.12 make ... names another" >&2; exit 1; }; \
$(1) -c 'import ensurepip, venv' 2>/dev/null \
  || { echo "make: $(1) cannot make virtual environments (no ensurepip); on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
endef

ifneq ($(USABLE),yes)
$(VPY) $(VENV)/.demo $(VENV)/.docs $(VENV)/.test $(VENV)/.release $(VENV)/.dynalite: FORCE
endif

$(VPY):
	@$(call usable_python,$(PYTHON))
	@echo "Setting up $(VENV) with $$($(PYTHON) --version); the first time takes a minute."
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.demo: docs/demo/requirements.txt setup.py | $(VPY)
	@$(PIP) install -r docs/demo/requirements.txt
	@$(PIP) install --no-build-isolation -e .
	@touch $@

$(VENV)/.docs: docs/requirements.txt | $(VPY)
	@$(PIP) install -r docs/requirements.txt
	@touch $@

$(VENV)/.test: tests/requirements.txt docs/requirements.txt docs/demo/requirements.txt setup.py | $(VPY)
	@$(PIP) install -r tests/requirements.txt
	@$(PIP) install --no-build-isolation -e .
	@touch $@ $(VENV)/.demo $(VENV)/.docs

$(VENV)/.release: tests/requirements-release.txt $(VENV)/.test
	@$(PIP) install -r tests/requirements-release.txt
	@touch $@

# Where it cannot be installed, the tests that need it are skipped and say so, and the next `make test` tries again.
DYNALITE := $(addprefix tests/dynalite/,package.json package-lock.json npmrc)
$(VENV)/.dynalite: $(DYNALITE) | $(VENV)/.test
	@mkdir -p $(VENV)/dynalite
	@cp $(DYNALITE) $(VENV)/dynalite
	@mv $(VENV)/dynalite/npmrc $(VENV)/dynalite/.npmrc
	@if command -v node >/dev/null && command -v npm >/dev/null \
	    && (cd $(VENV)/dynalite && npm --loglevel error ci >/dev/null); then touch $@; \
	  else echo "make: no dynalite (it takes node and npm): its tests will be skipped" >&2; fi
