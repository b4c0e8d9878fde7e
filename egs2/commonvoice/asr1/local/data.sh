#!/usr/bin/env bash
# Stage 1 of Common Voice.
# Usage: local/data.sh [options of audio-lottery prepare commonvoice], as --out data
set -euo pipefail

audio-lottery prepare commonvoice "$@"
