# shellcheck shell=bash disable=SC2034  # utils/recipe.sh reads the variables
# Options of the recipes of AN4: this one and mini_an4.

an4_root=
dev_size=
_data_options=(an4_root dev_size)
help_message="Options of this recipe
  --an4_root PATH              the folder that holds etc/ and wav/, or its archive; downloaded when not given
  --dev_size N                 training utterances set aside as dev set [100, of mini_an4 1]

The other options:"
