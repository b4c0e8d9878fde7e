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
  --subset all|digits          digits: only the utterances that are strings of digits, at 8 kHz as fsdd's are, with
                               words as tokens and conf/digits [$subset]

The other options:"
. ../../../utils/recipe.sh

defaults=(--fs 16000 --token_type bpe --nbpe 200)
if [ "$subset" = digits ]; then
    defaults=(--fs 8000 --token_type word --asr_config conf/digits/train_asr_conformer.yaml)
fi
run_recipe "${defaults[@]}" \
    --datadir "data/$subset" --dumpdir "dump/$subset" --expdir "exp/$subset"
