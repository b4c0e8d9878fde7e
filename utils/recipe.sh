# shellcheck shell=bash disable=SC2154
# What a corpus's run.sh needs. It goes to its own folder, keeping where the user stands in _caller, then
# sets the array _data_options, the names of its options that local/data.sh gets; each of these as a
# variable with its default (empty: not passed on); and help_message. After
#   . ../../../utils/recipe.sh
# the options are read, and run_recipe ARGUMENTS calls the shared pipeline, the user's other options last.
# An option that ends in _root is a file or folder, looked for where the user stands.

pass_on=()
help_message+="

$(../../../run.sh --help)"
# shellcheck source=/dev/null
. ../../../utils/parse_options.sh
[ $# -eq 0 ] || { echo "run.sh: error: $1: no such argument: options start with -- (see --help)" >&2; exit 1; }

run_recipe() {
    local name value options=
    for name in "${_data_options[@]}"; do
        value=${!name}
        [ -n "$value" ] || continue
        if [[ $name == *_root ]]; then
            value=$(cd "$_caller" && realpath -es "$value" 2>/dev/null) || {
                echo "run.sh: error: --$name: no such folder below $_caller: give the corpus's" >&2
                exit 1
            }
        fi
        options+=$(printf -- '--%s %q ' "$name" "$value")
    done
    export AUDIO_LOTTERY_COMMAND=$command_line  # what the report shows
    export AUDIO_LOTTERY_CALLER=$_caller
    exec ../../../run.sh --local_data_opts "$options" "$@" "${pass_on[@]}"
}
