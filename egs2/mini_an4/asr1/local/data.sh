#!/usr/bin/env bash
# Stage 1 of mini_an4, seven utterances of AN4.
# Usage: local/data.sh [options of audio-lottery prepare an4], as --out data
set -euo pipefail

audio-lottery prepare an4 --downloads downloads --mini "$@"
