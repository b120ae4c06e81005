# The five commands of the project, and the demonstration. Everything runs in .venv, which `install` makes.
PYTHON ?= python3
BIN := .venv/bin
# Weights of LPIPS, which images are measured with where they are there.
export VPCODEC_LPIPS ?= $(wildcard ../shared/weights)

.PHONY: install demo test quick lint docs site package-check clean

install: .venv/installed

.venv/installed: pyproject.toml setup.py
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[full,dev,docs]'
	touch $@

demo: install
	$(BIN)/python scripts/demo.py

test: install
	$(BIN)/python -m pytest -q

quick: install
	$(BIN)/python -m pytest -q -m 'not slow'

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: install
	$(BIN)/python scripts/docs.py

site: install
	$(BIN)/python scripts/site.py

package-check: install
	$(BIN)/python scripts/package_check.py --keep dist

clean:
	rm -rf .venv demo site build dist *.egg-info
