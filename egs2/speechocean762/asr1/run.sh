#!/usr/bin/env bash
# shellcheck disable=SC2034  # utils/recipe.sh reads the variables
# speechocean762, through the shared pipeline ../../../run.sh.
set -euo pipefail
_caller=$PWD
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"  # also through a link in an ESPnet checkout

speechocean762_root=
dev_speakers=
subset=all
_data_options=(speechocean762_root dev_speakers subset)
help_message="Options of this recipe
  --speechocean762_root DIR    a copy of the corpus; downloaded to downloads/ when not given
  --dev_speakers N             training speakers set aside as dev set [12, of digits 5]
  --subset all|digits          digits: only the utterances that are strings of digits [$subset]

The other options:"
. ../../../utils/recipe.sh

run_recipe --fs 16000 --token_type bpe --nbpe 200 \
    --datadir "data/$subset" --dumpdir "dump/$subset" --expdir "exp/$subset"
