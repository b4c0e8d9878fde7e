# shellcheck shell=bash disable=SC2034  # utils/recipe.sh reads the variables
# Options of the recipes of LibriSpeech: this one and librispeech_100.

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
