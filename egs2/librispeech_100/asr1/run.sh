#!/usr/bin/env bash
# LibriSpeech, 100 hours, through the shared pipeline ../../../run.sh.
set -euo pipefail
_caller=$PWD
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"  # also through a link in an ESPnet checkout

. ../../librispeech/asr1/local/options.sh
# shellcheck disable=SC2034  # utils/recipe.sh reads it
train_parts=train-clean-100
. ../../../utils/recipe.sh

run_recipe --fs 16000 --audio_format flac --max_wav_duration 30 --token_type bpe --nbpe 1000 \
    --test_sets "test_clean test_other"
