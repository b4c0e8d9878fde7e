#!/usr/bin/env bash
# The Free Spoken Digit Dataset: strings of spoken digits, through the shared pipeline ../../../run.sh.
set -euo pipefail
caller=$PWD
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"  # also through a link in an ESPnet checkout

fsdd_root=
protocol=speaker_independent
test_speaker=theo
dev_speaker=nicolas
cross_validate=false
asr_tag=asr_conformer_imp
stop_stage=8
pass_on=()
help_message="Options of this recipe
  --fsdd_root DIR              the folder that holds recordings/; downloaded when not given
  --protocol NAME              speaker_independent, or official (recordings 0 to 4 are the test set) [$protocol]
  --test_speaker, --dev_speaker NAME   of george jackson lucas nicolas theo yweweler [$test_speaker, $dev_speaker]
  --cross_validate true        every speaker once as the test speaker, then one table of all
Data, audio and experiments go to a folder for each split, as data/test_theo_dev_nicolas. The other options:

$(../../../run.sh --help)"
. ../../../utils/parse_options.sh

die() { echo "run.sh: error: $*" >&2; exit 1; }
[ $# -eq 0 ] || die "$1: no such argument: options start with -- (see --help)"
if [ -n "$fsdd_root" ]; then
    fsdd_root=$(cd "$caller" && realpath -e "$fsdd_root" 2>/dev/null) ||
        die "--fsdd_root: no such folder below $caller: give the folder that holds recordings/"
fi

run_split() {  # folder, then the arguments that name the split
    local split=$1 options
    shift
    export AUDIO_LOTTERY_COMMAND=$command_line  # what the report shows
    export AUDIO_LOTTERY_CALLER=$caller
    options=$(printf '%q ' ${fsdd_root:+--fsdd_root "$fsdd_root"} --protocol "$protocol" "$@")
    ../../../run.sh --datadir "data/$split" --dumpdir "dump/$split" --expdir "exp/$split" --asr_tag "$asr_tag" \
        --stop_stage "$stop_stage" --local_data_opts "$options" "${pass_on[@]}"
}

case $protocol in
    official) [ "$cross_validate" = false ] || die "--cross_validate true needs --protocol speaker_independent"
        run_split official; exit ;;
    speaker_independent) ;;
    *) die "--protocol $protocol: speaker_independent or official is expected" ;;
esac
if [ "$cross_validate" = false ]; then
    run_split "test_${test_speaker}_dev_$dev_speaker" --test_speaker "$test_speaker" --dev_speaker "$dev_speaker"
    exit
fi
exps=()
dev=yweweler  # the development speaker is the one before the test speaker
for test in george jackson lucas nicolas theo yweweler; do
    run_split "test_${test}_dev_$dev" --test_speaker "$test" --dev_speaker "$dev"
    exps+=("exp/test_${test}_dev_$dev/$asr_tag")
    dev=$test
done
if [ "$stop_stage" -ge 8 ]; then
    . ../../../path.sh
    audio-lottery table "${exps[@]}" --report "exp/cross_validation_$asr_tag" --command "$command_line"
fi
