#!/usr/bin/env bash
# Stage 1 of the Free Spoken Digit Dataset: digit strings composed from single recordings.
# Usage: local/data.sh [--fsdd_root DIR] [--protocol official|speaker_independent]
#                      [--test_speaker NAME] [--dev_speaker NAME] [--fold 1..6] [...]
# and the other options of: audio-lottery prepare fsdd --help
set -euo pipefail

audio-lottery prepare fsdd --downloads downloads "$@"
