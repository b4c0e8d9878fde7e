#!/usr/bin/env bash
# LibriSpeech, 960 hours, through the shared pipeline ../../../run.sh.
set -euo pipefail
_caller=$PWD
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"  # also through a link in an ESPnet checkout

. local/options.sh
. ../../../utils/recipe.sh

run_recipe --fs 16000 --audio_format flac --max_wav_duration 30 --token_type bpe --nbpe 5000 \
    --test_sets "test_clean test_other"
