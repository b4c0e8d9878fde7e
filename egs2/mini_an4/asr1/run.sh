#!/usr/bin/env bash
# shellcheck disable=SC2034  # utils/recipe.sh reads the variables
# mini_an4, seven utterances of AN4, through the shared pipeline ../../../run.sh.
set -euo pipefail
_caller=$PWD
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"  # also through a link in an ESPnet checkout

an4_root=
dev_size=
_data_options=(an4_root dev_size)
help_message="Options of this recipe
  --an4_root PATH              the folder that holds etc/ and wav/, or its archive; downloaded when not given
  --dev_size N                 training utterances set aside as dev set [1]

The other options:"
. ../../../utils/recipe.sh

run_recipe --fs 16000 --token_type char
