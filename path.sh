# shellcheck shell=bash
# Source this to work with the environment that utils/setup.sh makes: . path.sh (or . ../../../path.sh)

AUDIO_LOTTERY_ROOT=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
export AUDIO_LOTTERY_ROOT
export PATH="$AUDIO_LOTTERY_ROOT/.venv/bin:$AUDIO_LOTTERY_ROOT/utils:$PATH"
unset PYTHONPATH PYTHONHOME                       # another project's packages must not shadow the environment's
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"    # jobs run side by side: one thread each is fastest
export LC_ALL=C                                   # Kaldi files are sorted by bytes
export PYTHONIOENCODING=UTF-8
