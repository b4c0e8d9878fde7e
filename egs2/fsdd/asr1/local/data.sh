#!/usr/bin/env bash
# Stage 1 of the Free Spoken Digit Dataset: digit strings composed from single recordings.
# Usage: local/data.sh [--fsdd_root DIR] [--protocol official|speaker_independent]
#                      [--test_speaker NAME] [--dev_speaker NAME] [--fold 1..6] [...]
# and the other options of: audio-lottery prepare fsdd --help
set -euo pipefail

python3 -m audio_lottery.bin.prepare fsdd --out data --downloads downloads "$@"
python3 -m audio_lottery.bin.validate data/train data/dev data/test
