# make test      set up, check the style, run all tests
#                AUDIO_LOTTERY_FAULTS=full make test: more kills and mutations in tests/faults, for hours
# make setup     only set up
# make benchmarks ROUND=exp/TAG/round_08 AUDIO=FOLDER
#                measure the engine on an idle machine and write benchmarks/RESULTS.md (ROUND, AUDIO: for transcribe)
# make lint      ruff on Python, shellcheck on shell
# make clean     remove caches and build leftovers (.venv, data, dump and exp stay)

SHELL := bash
WORKERS ?= 2
SHELL_FILES = run.sh path.sh cmd.sh .ci/run $(wildcard utils/*.sh local/*.sh egs2/*/asr1/*.sh egs2/*/asr1/local/*.sh)

.PHONY: test setup benchmarks lint clean

test: lint
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n $(WORKERS) --dist loadfile

setup:
	utils/setup.sh

benchmarks: setup
	.venv/bin/python benchmarks/measure.py $(if $(ROUND),--round $(ROUND) --audio $(AUDIO))

lint: setup
	.venv/bin/ruff check .
	@if command -v shellcheck >/dev/null; then echo shellcheck $(SHELL_FILES); shellcheck $(SHELL_FILES); \
	else echo "note: shellcheck is not installed: shell files are not checked"; fi

clean:
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
