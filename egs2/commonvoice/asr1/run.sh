#!/usr/bin/env bash
# shellcheck disable=SC2034  # utils/recipe.sh reads the variables
# Common Voice, through the shared pipeline ../../../run.sh.
set -euo pipefail
_caller=$PWD
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"  # also through a link in an ESPnet checkout

commonvoice_root=
lang=en
train_from=
text_style=
_data_options=(commonvoice_root lang train_from text_style)
help_message="Options of this recipe
  --commonvoice_root DIR       an unpacked release, or a language's folder in it; must be given
  --lang CODE                  language, as the release names its folder [$lang]
  --train_from train|validated train.tsv, or all validated clips without dev's and test's speakers and sentences [train]
  --text_style raw|lower|upper raw: as in the release, else without punctuation, in one case [lower]

The other options:"
. ../../../utils/recipe.sh

run_recipe --fs 16000 --token_type bpe --nbpe 150 \
    --datadir "data/$lang" --dumpdir "dump/$lang" --expdir "exp/$lang"
