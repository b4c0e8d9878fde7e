#!/usr/bin/env bash
# Stage 1 of TED-LIUM.
# Usage: local/data.sh [options of audio-lottery prepare tedlium], as --out data
set -euo pipefail

audio-lottery prepare tedlium --downloads downloads "$@"
