# shellcheck shell=bash
# Source this after setting each option's variable to its default and help_message to the help text:
#   . utils/parse_options.sh
# Then `--some_name VALUE`, `--some-name VALUE` and `--some_name=VALUE` set $some_name. A variable whose
# default is true or false takes only these two. Arguments after the options stay in "$@".
# A script that has set an array pass_on=() gets the options that it does not know in there, with their values.
# $command_line is set to how the script was called, quoted for a shell.

_options_die() { echo "$(basename "$0"): error: $* (see --help)" >&2; exit 1; }

_called=
for _value in "$0" "$@"; do
    [[ $_value =~ ^[A-Za-z0-9_./:=,+-]+$ ]] || _value=${_value@Q}
    _called+="${_called:+ }$_value"
done

while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) printf '%s\n' "${help_message:?}"; exit 0 ;;
        --) shift; break ;;
        --*) ;;
        -?*) _options_die "$1: options start with two dashes" ;;
        *) break ;;
    esac
    _option=${1%%=*}
    _name=${_option#--}
    _name=${_name//-/_}
    # Only lower-case variables that the script has set are options: not PATH, not a typing mistake.
    _known=false
    if [[ $_name =~ ^[a-z][a-z0-9_]*$ && $_name != help_message && $_name != pass_on ]]; then
        [ -z "${!_name+set}" ] || _known=true
    fi
    if ! "$_known" && ! declare -p pass_on >/dev/null 2>&1; then
        _options_die "no option $_option"
    fi
    if [[ $1 == *=* ]]; then
        _value=${1#*=}
    elif [ $# -lt 2 ] || [[ $2 =~ ^--[A-Za-z0-9_-]+$ ]]; then
        _options_die "$_option needs a value; one that starts with dashes is written $_option=VALUE"
    else
        _value=$2
        shift
    fi
    shift
    if ! "$_known"; then
        pass_on+=("$_option=$_value")
        continue
    fi
    if [[ ${!_name} =~ ^(true|false)$ ]] && ! [[ $_value =~ ^(true|false)$ ]]; then
        _options_die "$_option takes true or false, not '$_value'"
    fi
    printf -v "$_name" '%s' "$_value"
done
# shellcheck disable=SC2034  # for the script that sources this
command_line=$_called
unset _option _name _value _known _called
