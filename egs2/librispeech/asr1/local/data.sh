#!/usr/bin/env bash
# Stage 1 of LibriSpeech, 960 hours.
# Usage: local/data.sh [options of audio-lottery prepare librispeech], as --out data
set -euo pipefail

audio-lottery prepare librispeech --downloads downloads "$@"
