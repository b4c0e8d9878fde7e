#!/usr/bin/env bash
# shellcheck disable=SC2034  # utils/recipe.sh reads the variables
# TED-LIUM, through the shared pipeline ../../../run.sh.
set -euo pipefail
_caller=$PWD
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"  # also through a link in an ESPnet checkout

tedlium_root=
release=2
_data_options=(tedlium_root release)
help_message="Options of this recipe
  --tedlium_root DIR           a copy of the release; downloaded to downloads/ when not given
  --release 1|2|3              release of the corpus [$release]

The other options:"
. ../../../utils/recipe.sh

run_recipe --fs 16000 --audio_format flac --max_wav_duration 30 --token_type bpe --nbpe 500 \
    --datadir "data/release$release" --dumpdir "dump/release$release" --expdir "exp/release$release"
