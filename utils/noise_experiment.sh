# shellcheck shell=bash
# Sourced by run.sh for --noise_experiment true: the whole pipeline once for each training condition of
# --noise_levels, each scored clean and at every SNR of --test_snrs, then one table of WER by density and SNR.
# Every search is continued where it was stopped, and a finished one is skipped.
# shellcheck disable=SC2154  # run.sh's variables

[ -n "$noise_root" ] || die "--noise_experiment: where noise is, --noise_root says"
[ -z "$train_snr" ] || die "--train_snr: --noise_experiment trains at --noise_levels: leave it out"
experiment=${asr_tag:-noise}
searches=()
for level in $noise_levels; do
    case $level in
        clean) range='' name=clean ;;
        *:*) range=${level/:/ } name="${level/:/ to } dB" ;;
        *) die "--noise_levels: $level: clean, or the lowest and the highest SNR in dB, as 0:20" ;;
    esac
    echo "$(date +%T) noise experiment: trained on $name"
    "$root/run.sh" "${arguments[@]}" --noise_experiment false --train_snr "$range" \
        --test_snrs "${test_snrs:-20 15 10 5 0 -5}" --asr_tag "${experiment}_${level/:/to}"
    searches+=("$name=$expdir/${experiment}_${level/:/to}")
done
if [ "$stop_stage" -ge 8 ]; then
    [ -e local/data.sh ] || cd "$root" || exit
    # shellcheck source=path.sh
    . "$root/path.sh"
    # Not in a search's own folder, whose tag a recipe may give.
    audio-lottery noise_table "${searches[@]}" --report "$expdir/${asr_tag:+${asr_tag}_}noise" \
        --command "${AUDIO_LOTTERY_COMMAND:-$command_line}"
fi
