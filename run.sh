#!/usr/bin/env bash
# The staged pipeline, from a corpus to a scored table of winning tickets. A recipe, egs2/<corpus>/asr1/run.sh,
# sets its options and calls this; called by itself it runs the embedded default corpus.
set -euo pipefail
root=$(dirname "$(realpath "${BASH_SOURCE[0]}")")  # a link to this file, or to a recipe's folder, serves as well

stage=1
stop_stage=8
nj=$(nproc 2>/dev/null || echo 2)
inference_nj=$nj
ngpu=0
num_nodes=1
host=

datadir=data
dumpdir=dump
expdir=exp
train_set=train
valid_set=dev
test_sets="test"
local_data_opts=

fs=8000
feats_type=raw
audio_format=wav
resample=true
min_wav_duration=0.1
max_wav_duration=20
channel=
allow_pipes=false
speed_perturb_factors=
noise_root=
noise_mode=dumped
noise_prob=1
train_snr=
test_snrs=
noise_experiment=false
noise_levels="clean 10:20 0:20"
token_type=word
nbpe=30
use_ngram=false
ngram_order=3
ngram_prune=0
lm_text=
ngram_file=
lm_weights="0 0.1 0.2 0.3 0.5 0.8 1.2"
lm_penalties=0

espnet_exp=
token_list=
asr_stats_dir=
feats_normalize=

asr_config=conf/train_asr_conformer.yaml
asr_tag=
asr_args=
lottery_conf=conf/lottery/imp.yaml
lottery_args=
separate_rounds=false
archive_rounds=false
dense_model=
theta0=
source_ticket=
source_round=all
source_weights=true
compare_transfer=false
inference_config=conf/decode_asr.yaml
inference_tag=
decode_rounds=all
export_round=extreme
share_dir=
share_opts=

help_message="Usage: $0 [--option value ...]

From a corpus to a scored table of winning tickets. Works in the current folder when that is a recipe (has
local/data.sh), else in $root with the embedded default corpus. Every stage can
be run alone, again, and continued after it was stopped.

Stages
  1  data preparation: local/data.sh makes $datadir/{$train_set,$valid_set,$test_sets}; validated
  2  audio to one rate and format in $dumpdir/raw; too short and too long training utterances dropped;
     speed perturbation, noise and filterbanks where asked for
  3  token list
  4  feature statistics; an n-gram language model where asked for
  5  dense training (round 0), with the initial weights kept
  6  rounds of pruning, rewinding and training, as --lottery_conf says
  7  decoding of every round, in parallel jobs; before it the language model's weight is tuned on the dev set
  8  scoring, invariants, table and report
  9  export, where asked for: ticket files and ONNX of the chosen ticket, their sizes and errors
  10 packing for sharing, where asked for: an ESPnet model, the ticket file and a model card in one folder

Options (defaults in brackets; a configuration is looked for here, then in $root)
  --stage N, --stop_stage N       first and last stage [$stage, $stop_stage]
  --nj N, --inference_nj N        parallel jobs for data, for decoding [$nj: one per core]
  --ngpu N                        GPUs for training, of each node [$ngpu]
  --num_nodes N                   nodes that train together, in a job of Slurm's (cmd.sh); elsewhere: processes on
                                  this machine's CPU [$num_nodes]
  --host NAME,...                 or machines that ssh reaches, as ESPnet's launcher takes them: host1,host2:0:1 [none]
  --datadir, --dumpdir, --expdir  where data, audio and experiments go [$datadir, $dumpdir, $expdir]
  --train_set, --valid_set NAME   [$train_set, $valid_set]
  --test_sets 'NAME ...'          [$test_sets]
  --local_data_opts '...'         arguments for local/data.sh, quoted as for a shell
  --fs N                          sampling rate in Hz of audio and model [$fs]
  --feats_type raw|fbank          train from audio, or from filterbanks computed once in stage 2 [$feats_type]
  --audio_format wav|flac         [$audio_format]
  --resample true|false           resample audio of another rate, or refuse it [$resample]
  --min_wav_duration S            shortest training utterance in seconds [$min_wav_duration]
  --max_wav_duration S            longest training utterance in seconds [$max_wav_duration]
  --channel N|mix                 channel to take where there are several, or their mean [refuse several]
  --allow_pipes true|false        run the commands in wav.scp, with your rights, or refuse them [$allow_pipes]
  --speed_perturb_factors '...'   train on each utterance at these speeds, e.g. '0.9 1.0 1.1' [none]
  --noise_root '...'              noise: folders of audio, each split into train, valid and test, quoted as for a
                                  shell; white, pink, and babble of the training set's voices [none]
  --train_snr 'LOW HIGH'          mix noise into the training set, at an SNR in dB between these [clean]
  --noise_mode dumped|on_the_fly  noise written once in stage 2, or drawn anew in each epoch [$noise_mode]
  --noise_prob P                  probability of a training utterance to get noise [$noise_prob]
  --test_snrs '...'               more test sets, with noise at these SNRs in dB: test_snr10 for 10 [none]
  --noise_experiment true|false   a search for each of --noise_levels, one table of WER by density and SNR
                                  [$noise_experiment]
  --noise_levels '...'            what they are trained on [$noise_levels]
  --token_type TYPE               word, char, bpe or unigram [$token_type]
  --nbpe N                        SentencePiece vocabulary, for bpe and unigram [$nbpe]
  --use_ngram true|false          decode with an n-gram model over the tokens; the decoding needs a beam, as in
                                  conf/decode_asr_beam.yaml [$use_ngram]
  --ngram_order N                 words in its longest n-gram, 2 to 6 [$ngram_order]
  --ngram_prune '...'             drop n-grams seen at most so often, by order, as '0 0 1' [$ngram_prune]
  --lm_text '...'                 its texts, one sentence a line [the training set's]
  --ngram_file FILE               a model made elsewhere, instead [of stage 4]
  --lm_weights, --lm_penalties '...'   its weights and the insertion penalties tried on the dev set
                                  [$lm_weights; $lm_penalties]
  --espnet_exp DIR                from stage 5: an experiment of a stock ESPnet recipe (exp/asr_train_...), whose
                                  configuration, data, tokens and statistics are taken; start in the recipe's folder
  --token_list FILE               from stage 5: a tokens.txt made elsewhere, bpe.model beside it [of stage 3]
  --asr_stats_dir DIR             from stage 5: statistics made elsewhere [of stage 4]
  --feats_normalize global_mvn|utterance_mvn   as ESPnet's recipes have it [as the configuration says]
  --asr_config YAML               ESPnet training configuration [$asr_config]
  --asr_args '...'                more ESPnet training arguments, e.g. '--max_epoch 10'
  --asr_tag NAME                  experiment folder below --expdir [from the configurations' names]
  --lottery_conf YAML             how to search [$lottery_conf]
  --lottery_args '...'            overrides of it, e.g. '--rate 0.2 --rounds 10'
  --separate_rounds true|false    each round in a process of its own [$separate_rounds]
  --archive_rounds true|false     keep a finished round as a ticket file, without its models [$archive_rounds]
  --dense_model PATH              take round 0 from a trained model instead of training it: an ESPnet experiment
                                  folder, a model file of one, or a model packed by espnet2.bin.pack
  --theta0 FILE                   its initial weights, to rewind to [beside it, in a search's folder]
  --source_ticket PATH            train the tickets of this search, found on another corpus: its masks and initial
                                  weights; vocabulary layers start anew under other tokens; or a .ticket file
  --source_round all|N            of each round, or of this one alone [$source_round]
  --source_weights true|false     false: the mask alone, with this model's own initial weights, which are the
                                  source's under the same seed [$source_weights]
  --compare_transfer true|false   search here, train the source's tickets and its masks alone, one table of
                                  all three [$compare_transfer]
  --inference_config YAML         ESPnet decoding configuration [$inference_config]
  --inference_tag NAME            decoding folder decode_NAME [from the configuration's name]
  --decode_rounds 'all|N ...'     rounds to decode [$decode_rounds]
  --export_round extreme|best|N   the ticket that stages 9 and 10 ship [$export_round]
  --share_dir DIR                 folder that stage 10 writes [share in the experiment folder]
  --share_opts '...'              more arguments of audio-lottery share, e.g. '--license cc-by-4.0 --language en'

Examples
  $0
  $0 --stage 5 --stop_stage 8 --lottery_args '--rate 0.2 --rounds 10' --asr_tag ten_rounds"
arguments=("$@")
# shellcheck source=utils/parse_options.sh
. "$root/utils/parse_options.sh"

die() { echo "run.sh: error: $*" >&2; exit 1; }

[ $# -eq 0 ] || die "$1: no such argument: options start with -- (see --help)"
for name in stage stop_stage nj inference_nj num_nodes fs nbpe; do
    [[ ${!name} =~ ^[1-9][0-9]*$ ]] || die "--$name ${!name}: a positive whole number is expected"
done
[[ $ngpu =~ ^[0-9]+$ ]] || die "--ngpu $ngpu: a whole number is expected"
for name in stage stop_stage; do
    [ "${!name}" -le 10 ] || die "--$name ${!name}: the last stage is 10"
done
[ "$stage" -le "$stop_stage" ] || die "--stage $stage comes after --stop_stage $stop_stage: nothing to do"
case $token_type in
    word | char) tokens=$token_type ;;
    bpe | unigram) tokens=$token_type$nbpe ;;
    *) die "--token_type $token_type: word, char, bpe or unigram is expected" ;;
esac

[[ $ngram_order =~ ^[2-6]$ ]] || die "--ngram_order $ngram_order: 2 to 6 is expected"
case $feats_type in raw | fbank) ;; *) die "--feats_type $feats_type: raw or fbank is expected" ;; esac
split() { xargs -r printf '%s\0' <<<"$1"; }  # words as a shell quotes them, NUL-separated; nothing is run
export AUDIO_LOTTERY_CALLER=${AUDIO_LOTTERY_CALLER:-$PWD}  # where the user of a recipe's run.sh stands
seen() { (cd "$AUDIO_LOTTERY_CALLER" && realpath -es "$1" 2>/dev/null); }

if [ "$noise_experiment" = true ]; then
    # shellcheck source=utils/noise_experiment.sh
    . "$root/utils/noise_experiment.sh"
    exit
fi
read -ra train_snrs <<<"$train_snr"
read -ra snrs <<<"$test_snrs"
case ${#train_snrs[@]} in 0 | 2) ;; *) die "--train_snr $train_snr: two numbers in dB are expected, as '0 20'" ;; esac
for snr in "${train_snrs[@]}" "${snrs[@]}"; do
    [[ $snr =~ ^-?[0-9]+(\.[0-9]+)?$ ]] || die "--train_snr, --test_snrs: $snr: a number in dB is expected"
    [ -n "$noise_root" ] || die "--train_snr, --test_snrs: where noise is, --noise_root says"
done
[ -z "$train_snr" ] || awk 'BEGIN { exit !(ARGV[1] + 0 <= ARGV[2] + 0) }' "${train_snrs[@]}" ||
    die "--train_snr $train_snr: the range is turned round: write '${train_snrs[1]} ${train_snrs[0]}'"
[[ $noise_prob =~ ^(0?\.[0-9]*[1-9][0-9]*|1(\.0*)?)$ ]] ||
    die "--noise_prob $noise_prob: a number above 0, at most 1, is expected"
case $noise_mode in
    dumped) ;;
    on_the_fly) [ "$feats_type" = raw ] || [ -z "$train_snr" ] ||
        die "--noise_mode on_the_fly: noise is mixed into audio: give --noise_mode dumped for --feats_type $feats_type" ;;
    *) die "--noise_mode $noise_mode: dumped or on_the_fly is expected" ;;
esac
noises=()
while read -rd '' noise; do
    case $noise in
        white | pink | babble) noises+=("$noise") ;;
        *) path=$(seen "$noise") ||
            die "--noise_root $noise: no such folder below $AUDIO_LOTTERY_CALLER: give folders of audio, white," \
                "pink or babble; a name with blanks in quotes of its own"
            noises+=("$path") ;;
    esac
done < <(split "$noise_root")
lm_texts=()
while read -rd '' text; do
    path=$(seen "$text") || die "--lm_text $text: no such file: give texts with one sentence a line"
    lm_texts+=("$path")
done < <(split "$lm_text")
[ -z "$ngram_file" ] || ngram_file=$(seen "$ngram_file") || die "--ngram_file: no such file"

for name in espnet_exp token_list asr_stats_dir; do
    [ -z "${!name}" ] || [ "$stage" -ge 5 ] || die "--$name: is made by stages 1 to 4: begin with --stage 5"
done

[ -e local/data.sh ] || [ -n "$espnet_exp" ] || cd "$root"
for name in asr_config lottery_conf inference_config; do
    if ! [ -f "${!name}" ] && [ -f "$root/${!name}" ]; then printf -v "$name" '%s' "$root/${!name}"; fi
    [ -f "${!name}" ] || die "--$name ${!name}: no such file in $PWD, nor in $root"
done
asr_name=$(basename "$asr_config" .yaml)
inference_name=$(basename "$inference_config" .yaml)
token_list=${token_list:-$datadir/token_list/$tokens/tokens.txt}
token_dir=$(dirname "$token_list")
# Another training set has statistics and experiments of its own.
made=${speed_perturb_factors:+_sp${speed_perturb_factors// /_}}
noisy=$made
heard=  # noise drawn while training changes no data
if [ -n "$train_snr" ]; then
    [[ $noise_prob =~ ^1 ]] && chance='' || chance=p$noise_prob
    heard=_snr${train_snrs[0]}to${train_snrs[1]}$chance
    if [ "$noise_mode" = dumped ]; then noisy+=$heard heard=''; else heard+=_on_the_fly; fi
fi
stats_dir=${asr_stats_dir:-$expdir/asr_stats_${feats_type}_$tokens$noisy}
feats=${feats_type#raw}
exp=$expdir/${asr_tag:-${asr_name#train_}${feats:+_$feats}_${tokens}${noisy}${heard}_$(basename "$lottery_conf" .yaml)}
[ "$use_ngram" = false ] || inference_name+=_ngram
inference_tag=${inference_tag:-${inference_name#decode_}}
raw=$dumpdir/raw
noises=("${noises[@]/#babble/babble=$raw/$train_set$made}")
dump=$dumpdir/$feats_type
if [ -n "$espnet_exp" ]; then
    dev=$(sed -n '/^valid_data_path_and_name_and_type:/{n;s/^[- ]*//;p;q}' "$espnet_exp/config.yaml" 2>/dev/null) ||
        die "--espnet_exp $espnet_exp: no config.yaml in it, seen from $PWD: start in the ESPnet recipe's folder"
    dev=$(dirname "$dev")  # like dump/raw/dev
    dump=$(dirname "$dev")
    valid_set=$(basename "$dev")
    raw=$dump  # where the recipe keeps its audio
    exp=$expdir/${asr_tag:-$(basename "$espnet_exp")${heard}_$(basename "$lottery_conf" .yaml)}
fi
read -ra named <<<"$test_sets"
tests=()  # ESPnet's recipes name the dev set too, which is scored anyway
for name in "${named[@]}"; do [ "$name" = "$valid_set" ] || tests+=("$name"); done
if [ -z "$asr_tag" ] && [ "$compare_transfer" = false ]; then  # not to be taken for the recipe's own search
    exp+=${dense_model:+_from_model}${source_ticket:+_transferred}
    [ "$source_weights" = true ] || exp+=_mask
fi
if [ "$compare_transfer" = true ]; then
    [ -n "$source_ticket" ] || die "--compare_transfer true: which ticket, --source_ticket says"
    [ "$source_round" = all ] || die "--source_round $source_round: --compare_transfer compares all rounds"
    again() {
        "$root/run.sh" "${arguments[@]}" --compare_transfer false --asr_tag "$(basename "$exp")$1" "${@:2}"
    }
    again "" --source_ticket ""
    again _transferred --source_weights true
    # Its dense model is the recipe's own. Its rounds are drawn from a seed of their own: under the recipe's, a model
    # like the source's would begin as the source did.
    again _transferred_mask --source_weights false --dense_model "$exp/round_00" \
        --lottery_args "$lottery_args --restart fresh"
    if [ "$stop_stage" -ge 8 ]; then
        # shellcheck source=path.sh
        . "$root/path.sh"
        audio-lottery compare --method "own ticket" "$exp" --method "transferred ticket" "${exp}_transferred" \
            --method "transferred mask, random weights" "${exp}_transferred_mask" --report "${exp}_transfer" \
            --inference_tag "$inference_tag"
    fi
    exit
fi
sets=("$train_set" "$valid_set" "${tests[@]}")
noisy_tests=()
for snr in "${snrs[@]}"; do noisy_tests+=("${tests[@]/%/_snr$snr}"); done
train=$train_set$noisy
if [ -n "$heard" ]; then
    asr_noise=$(printf '%q ' --train_noise "${noises[@]}" --train_snr "${train_snrs[@]}" --train_noise_prob "$noise_prob")
fi
ngram_made=$expdir/ngram_$tokens/${ngram_order}gram.arpa
scored=("$valid_set" "${tests[@]}" "${noisy_tests[@]}")

# The first stage's input must be there; each later stage gets its input from the one before.
need() { [ -e "$2" ] || die "$2 is missing: run stage $1 first (--stage $1)"; }
if [ -n "$espnet_exp" ]; then
    for name in "${scored[@]}"; do
        [ -f "$dump/$name/text" ] || die "$dump/$name/text is missing: name the recipe's sets by --test_sets"
    done
else
    case $stage in
        1) [ -x local/data.sh ] || die "$PWD/local/data.sh is missing or not executable" ;;
        2) for name in "${sets[@]}"; do need 1 "$datadir/$name/wav.scp"; done ;;
        *) for name in "$train" "${scored[@]}"; do need 2 "$dump/$name/wav.scp"; done ;;
    esac
    if [ "$stage" -ge 4 ]; then need 3 "$token_list"; fi
    if [ "$stage" -ge 5 ] && [ -z "$asr_stats_dir" ]; then need 4 "$stats_dir/.done"; fi
fi
if [ "$stage" -ge 6 ]; then need 5 "$exp/rounds.jsonl"; fi
if [ "$stage" -ge 7 ] && [ "$use_ngram" = true ]; then need 4 "${ngram_file:-$ngram_made}"; fi
if [ "$stage" -ge 8 ]; then
    for name in "${scored[@]}"; do need 7 "$exp/round_00/decode_$inference_tag/$name/text"; done
fi
if [ "$stage" -ge 9 ]; then need 8 "$exp/errors.jsonl"; fi

"$root/utils/setup.sh"
# shellcheck source=path.sh
. "$root/path.sh"
cmd=$root/cmd.sh
[ ! -f cmd.sh ] || cmd=./cmd.sh
[ ! -x utils/run.pl ] || PATH=$PWD/utils:$PATH  # an ESPnet recipe's job starters
# shellcheck source=cmd.sh
. "$cmd"

now=0
trap '[ $? -eq 0 ] || echo "run.sh: stopped in stage $now; go on with: --stage $now" >&2' EXIT
begin() {
    [ "$stage" -le "$1" ] && [ "$1" -le "$stop_stage" ] || return 1
    now=$1
    echo "$(date +%T) stage $1: $2"
}

if begin 1 "data preparation"; then
    mapfile -d '' -t options < <(split "$local_data_opts")
    local/data.sh --out "$datadir" "${options[@]}"
    audio-lottery validate --allow_pipes "$allow_pipes" "${sets[@]/#/$datadir/}"
fi

if begin 2 "audio to $fs Hz $audio_format in $raw"; then
    for name in "${sets[@]}"; do
        limits=(--min_wav_duration "$min_wav_duration" --max_wav_duration "$max_wav_duration")
        # Test sets are scored whole.
        if [[ " $test_sets " == *" $name "* ]]; then limits=(--min_wav_duration 0 --max_wav_duration inf); fi
        speeds=
        [ "$name" != "$train_set" ] || speeds=$speed_perturb_factors
        audio-lottery format --data "$datadir/$name" --dump "$raw/$name${speeds:+$made}" --fs "$fs" \
            --resample "$resample" --audio_format "$audio_format" "${limits[@]}" ${channel:+--channel "$channel"} \
            --allow_pipes "$allow_pipes" ${speeds:+--speed_perturb_factors "$speeds"} --nj "$nj"
    done
    if [ "$noisy" != "$made" ]; then
        audio-lottery mix_noise --data "$raw/$train_set$made" --out "$raw/$train" --noise "${noises[@]}" \
            --snr "${train_snrs[@]}" --probability "$noise_prob" --part train --nj "$nj"
    fi
    for snr in "${snrs[@]}"; do
        for name in "${tests[@]}"; do
            audio-lottery mix_noise --data "$raw/$name" --out "$raw/${name}_snr$snr" --noise "${noises[@]}" \
                --snr "$snr" --part test --nj "$nj"
        done
    done
    if [ "$feats_type" = fbank ]; then
        for name in "$train" "${scored[@]}"; do
            audio-lottery fbank --data "$raw/$name" --out "$dump/$name" --asr_config "$asr_config" --nj "$nj"
        done
    fi
fi

if begin 3 "token list $token_dir"; then
    audio-lottery tokens --token_type "$token_type" --nbpe "$nbpe" --text "$dump/$train/text" --out "$token_dir"
fi

token_options=(--token_type "$token_type" --token_list "$token_list")
[ "$tokens" = "$token_type" ] || token_options+=(--bpemodel "$token_dir/bpe.model")

if begin 4 "feature statistics $stats_dir"; then
    audio-lottery stats --asr_config "$asr_config" --train "$dump/$train" --valid "$dump/$valid_set" \
        "${token_options[@]}" --asr_args="$asr_args" --out "$stats_dir"
    if [ "$use_ngram" = true ] && [ -z "$ngram_file" ]; then
        texts=(--text "$dump/$train/text" --utt_ids true)
        [ -z "$lm_text" ] || texts=(--text "${lm_texts[@]}")
        audio-lottery ngram "${texts[@]}" --order "$ngram_order" --prune "$ngram_prune" "${token_options[@]}" \
            --out "$ngram_made"
    fi
fi

prepared=(--asr_config "$asr_config" --train "$dump/$train" --valid "$dump/$valid_set" --stats "$stats_dir"
    "${token_options[@]}")
[ -z "$espnet_exp" ] || prepared=(--espnet_exp "$espnet_exp")
begun=(${dense_model:+--dense_model "$dense_model"} ${theta0:+--theta0 "$theta0"})
[ -z "$source_ticket" ] || begun+=(--source_ticket "$source_ticket" --source_round "$source_round"
    --source_weights "$source_weights")
called=${AUDIO_LOTTERY_COMMAND:-$command_line}  # what reports show
find_ticket() {
    local starter=${train_cmd:-run_jobs.py} nodes=(--num_nodes "$num_nodes" ${host:+--host "$host"})
    [ "$ngpu" = 0 ] || starter=${cuda_cmd:-$starter}
    read -ra starter <<<"$starter"
    case ${starter[0]} in
        run_jobs.py | run.pl) starter=() ;;  # here, in sight
        *) if [ "$num_nodes" -gt 1 ]; then
               [[ ${starter[0]} = slurm* ]] || die "--num_nodes $num_nodes: a job of several nodes is for slurm (cmd.sh)"
               starter+=(--num_nodes "$num_nodes")
               nodes+=(--dist_launcher slurm)
           fi
           starter+=(--gpu "$ngpu" "$exp/logs/stage_$now.log")
            echo "trained by ${starter[0]}: see ${starter[-1]}" ;;
    esac
    "${starter[@]}" audio-lottery find "$exp" "${prepared[@]}" "${begun[@]}" \
        ${feats_normalize:+--feats_normalize "$feats_normalize"} \
        --lottery_conf "$lottery_conf" --lottery_args="$lottery_args" --asr_args="$asr_args ${asr_noise:-}" \
        --ngpu "$ngpu" "${nodes[@]}" --command "$called" "$@"
}

if begin 5 "dense training, $exp/round_00"; then
    find_ticket --last_round 0
fi

if begin 6 "rounds of pruning, rewinding and training, $exp"; then
    find_ticket --separate_rounds "$separate_rounds" --archive_rounds "$archive_rounds"
fi

if begin 7 "decoding of ${scored[*]}, rounds: $decode_rounds"; then
    read -ra rounds <<<"$decode_rounds"
    if [ "$use_ngram" = true ]; then
        read -ra weights <<<"$lm_weights"
        read -ra penalties <<<"$lm_penalties"
        audio-lottery tune_lm "$exp" --inference_config "$inference_config" --ngram_file "${ngram_file:-$ngram_made}" \
            --data "$dump" --dev "$valid_set" --weights "${weights[@]}" --penalties "${penalties[@]}" \
            --out "$exp/decode_$inference_tag.yaml"
        inference_config=$exp/decode_$inference_tag.yaml
    fi
    decode=(audio-lottery decode "$exp" --inference_config "$inference_config" --data "$dump"
        --sets "${scored[@]}" --tag "$inference_tag" --rounds "${rounds[@]}" --nj "$inference_nj")
    read -ra starter <<<"$decode_cmd"
    "${starter[@]}" "JOB=1:$inference_nj" "$exp/logs/decode_$inference_tag.JOB.log" "${decode[@]}" --job JOB
    "${decode[@]}" --merge
fi

if begin 8 "scoring, invariants, table"; then
    audio-lottery score "$exp" --sets "${scored[@]}" --refs "$dump" --inference_tag "$inference_tag"
    audio-lottery check "$exp"
    audio-lottery table "$exp" --dev "$valid_set" --inference_tag "$inference_tag" --report "$exp/report" \
        --command "$called"
    audio-lottery report "$exp" --dev "$valid_set" --inference_tag "$inference_tag" --data "$raw" \
        --out "$exp/report" --command "$called"
fi

shipped=(--round "$export_round" --dev "$valid_set" --inference_tag "$inference_tag")
if begin 9 "export of the $export_round ticket, $exp/export"; then
    audio-lottery export "$exp" "${shipped[@]}"
fi

if begin 10 "packing for sharing, ${share_dir:-$exp/share}"; then
    mapfile -d '' -t options < <(split "$share_opts")
    audio-lottery share "$exp" "${shipped[@]}" --out "${share_dir:-$exp/share}" "${options[@]}"
fi
