#!/usr/bin/env bash
# Stage 1 of speechocean762.
# Usage: local/data.sh [options of audio-lottery prepare speechocean762], as --out data
set -euo pipefail

audio-lottery prepare speechocean762 --downloads downloads "$@"
