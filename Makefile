# Everything here is one call of scripts/dev.py, which also runs where there is no make.
PYTHON ?= python3

.PHONY: help demo test bench fuzz kill soak clean

help:
	@$(PYTHON) scripts/dev.py --help

demo test bench fuzz kill soak clean:
	@$(PYTHON) scripts/dev.py $@
