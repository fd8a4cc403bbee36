# Everything that the targets need is installed into .venv once, and again when a list of packages changes.

PYTHON ?= python3
VENV ?= .venv

VPY := $(VENV)/bin/python
PIP := $(VPY) -m pip -qq --disable-pip-version-check --no-input
# A venv that is broken, incomplete or of another Python than the PYTHON asked for is created again.
ASKED := $(filter environment command,$(firstword $(origin PYTHON)))
IS := -c 'import sys, pip; print(sys.version)' 2>/dev/null
IS_ASKED := -c 'import sys; print(sys.version)' 2>/dev/null
USABLE = $(shell is=$$($(VPY) $(IS)) && test "$$is" = "$$($(if $(ASKED),$(PYTHON),$(VPY)) $(IS_ASKED))" && echo yes)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test check bench docs install release soak clean generated FORCE

help: ## this list
	@echo "make TARGET; PYTHON=python3.12 uses that Python instead of python3:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 14

demo: $(VENV)/.demo ## a demonstration, on a local stand-in for AWS
	@$(VPY) docs/demo/demo.py

test: $(VENV)/.test $(VENV)/.dynalite ## all tests; ARGS="-k breaker" passes arguments to pytest
	@$(VPY) -m pytest -n 2 --dist loadgroup $(ARGS)

check: $(VENV)/.test ## lint, format, types, template, generated files, imports, spelling, style, docs
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

generated: $(VENV)/.test ## write the generated files again
	@$(VPY) docs/generate.py

docs: $(VENV)/.docs ## the documentation as HTML in docs/_build; a warning is an error
	@rm -rf docs/_build
	@$(VPY) -m sphinx -q -W --keep-going -d docs/_build/doctrees docs docs/_build/html
	@echo "The documentation: docs/_build/html/index.html"

soak: $(VENV)/.test ## the slow tests, an hour: races, months of checks, a daemon, random input; SOAK_SEED=N repeats a run
	@SOAK=1 $(VPY) -m pytest -q tests/daemon/test_daemonizer.py tests/decisions/test_properties.py tests/end_to_end/test_fuzz.py tests/end_to_end/test_soak.py $(ARGS)

# With a PREFIX the program gets a separate venv: only one Python finds modules in PREFIX/lib/pythonX.Y,
# and many systems forbid pip to write there.
WHAT = $(if $(EXTRAS),'.[$(EXTRAS)]',.)
install: ## pip install . or, with PREFIX=/usr/local, into a separate venv there; EXTRAS=metrics,report adds those
	@rm -rf build
ifdef PREFIX
	@$(call usable_python,$(PYTHON))
	@$(PYTHON) -m venv --clear "$(PREFIX)/lib/dynamic-dynamodb"
	@"$(PREFIX)/lib/dynamic-dynamodb/bin/python" -m pip -qq --disable-pip-version-check install $(WHAT)
	@mkdir -p "$(PREFIX)/bin"
	@ln -sf ../lib/dynamic-dynamodb/bin/dynamic-dynamodb "$(PREFIX)/bin/dynamic-dynamodb"
	@echo "installed: $(PREFIX)/bin/dynamic-dynamodb"
else
	$(PYTHON) -m pip install $(WHAT)
endif

# Built from what git has, so nothing else in this folder gets in.
release: $(VENV)/.release ## build and check dist/; UPLOAD=1 with TWINE_* set also uploads it
	@test -z "$$(git status --porcelain)" || { echo "make release: commit first, because a release contains only what is in git" >&2; exit 1; }
ifdef UPLOAD
	@test -n "$$TWINE_USERNAME" && test -n "$$TWINE_PASSWORD" && test -n "$$TWINE_REPOSITORY_URL" \
	  || { echo "make release: UPLOAD needs TWINE_USERNAME, TWINE_PASSWORD and TWINE_REPOSITORY_URL in the environment" >&2; exit 1; }
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
	@echo "Checked, but not uploaded: that needs UPLOAD=1 (see docs/release.md)."
endif

clean: ## remove everything that make created, including .venv
	rm -rf $(VENV) build dist docs/_build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -exec rm -rf {} +

# One clear line if the Python cannot be used.
define usable_python
$(1) -c "" >/dev/null 2>&1 || { echo "make: $(1) does not run here; choose another with PYTHON=/path/to/python3.12 make ..." >&2; exit 1; }; \
$(1) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
  || { echo "make: $(1) is $$($(1) --version 2>&1), and Python 3.10 or later is needed; choose another with PYTHON=python3.12 make ..." >&2; exit 1; }; \
$(1) -c 'import ensurepip, venv' 2>/dev/null \
  || { echo "make: $(1) cannot create virtual environments (no ensurepip); on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
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

# If it cannot be installed, the tests that need it are skipped with a reason, and the next `make test` tries again.
DYNALITE := $(addprefix tests/dynalite/,package.json package-lock.json npmrc)
$(VENV)/.dynalite: $(DYNALITE) | $(VENV)/.test
	@mkdir -p $(VENV)/dynalite
	@cp $(DYNALITE) $(VENV)/dynalite
	@mv $(VENV)/dynalite/npmrc $(VENV)/dynalite/.npmrc
	@if command -v node >/dev/null && command -v npm >/dev/null \
	    && (cd $(VENV)/dynalite && npm --loglevel error ci >/dev/null); then touch $@; \
	  else echo "make: dynalite is not installed (it needs node and npm): its tests are skipped" >&2; fi
