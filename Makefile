# Everything here sets itself up in .venv; nothing is installed globally.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: help demo test lint clean

help:
	@echo "make demo    train, quantize and translate a small model (10 minutes, 2 cores)"
	@echo "make test    lint and the whole test suite"
	@echo "make lint    ruff only"
	@echo "make clean   remove .venv and what runs left behind"

demo: .venv/ready
	$(BIN)/python demo.py

test: lint
	$(BIN)/python -m pytest

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The stamp is written last, so that an interrupted set-up starts again.
.venv/ready: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

clean:
	rm -rf .venv runs build dist *.egg-info .pytest_cache .ruff_cache
