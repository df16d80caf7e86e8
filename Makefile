# The commands of this project. `make run` and `make test` work from a fresh clone: they set up first.
#
#   make run ARGS="--duration 30s"     the main job
#   make test                          every test
#   make check T=tests/market          compile what changed, then run these tests
#   PYTHON=/path/to/python3            another interpreter (3.11 or newer) for .venv
#   HFTRUN_PURE=1                      everything interpreted

ARGS ?=
T ?= tests
export PYTHON

.PHONY: help setup compile run test check lint bench soak clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile

setup:
	@sh tools/set_up.sh

compile:
	@sh tools/set_up.sh compile

run: setup
	@.venv/bin/hftrun configs/mm.toml $(ARGS)

test: setup
	@.venv/bin/python -m pytest $(ARGS)

check: setup
	@.venv/bin/python -m pytest -q $(T) $(ARGS)

lint: setup
	@.venv/bin/ruff check .
	@.venv/bin/mypy --strict .

bench: setup
	@.venv/bin/hftrun bench $(ARGS)

soak: setup
	@.venv/bin/python tools/record_soak.py $(ARGS)

clean:
	@rm -rf build dist hftrun.egg-info
	@find $(filter-out .venv,$(wildcard *)) -name '*.so' -delete
	@rm -f runtime/kernel_stamp.json
