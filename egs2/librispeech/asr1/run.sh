#!/usr/bin/env bash
# shellcheck disable=SC2034  # utils/recipe.sh reads the variables
# LibriSpeech, 960 hours, through the shared pipeline ../../../run.sh.
set -euo pipefail
_caller=$PWD
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"  # also through a link in an ESPnet checkout

librispeech_root=
train_parts=
dev_parts=
test_parts=
_data_options=(librispeech_root train_parts dev_parts test_parts)
help_message="Options of this recipe
  --librispeech_root DIR       the folder LibriSpeech; downloaded to downloads/ when not given
  --train_parts, --dev_parts, --test_parts 'PART ...'   parts, as train-clean-100, or speakers in one, as
                               test-other/1688; each test part is a set: --test_sets test_clean for test-clean

The other options:"
. ../../../utils/recipe.sh

run_recipe --fs 16000 --audio_format flac --max_wav_duration 30 --token_type bpe --nbpe 5000 \
    --test_sets "test_clean test_other"
