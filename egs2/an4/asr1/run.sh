#!/usr/bin/env bash
# AN4, through the shared pipeline ../../../run.sh.
set -euo pipefail
_caller=$PWD
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"  # also through a link in an ESPnet checkout

. local/options.sh
. ../../../utils/recipe.sh

run_recipe --fs 16000 --token_type bpe --nbpe 30
