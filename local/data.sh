#!/usr/bin/env bash
# Stage 1 of the default corpus: digit strings synthesised from several voices.
# Usage: local/data.sh [options of audio-lottery prepare digits]
set -euo pipefail

python3 -m audio_lottery.bin.prepare digits --out data "$@"
python3 -m audio_lottery.bin.validate data/train data/dev data/test
