#!/usr/bin/env bash
# Stage 1 of the default corpus: digit strings synthesised from several voices.
# Usage: local/data.sh [options of audio-lottery prepare digits], as --out data
set -euo pipefail

audio-lottery prepare digits "$@"
