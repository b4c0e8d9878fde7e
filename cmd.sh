# shellcheck shell=bash disable=SC2034  # run.sh sources this file and reads these variables
# How job arrays are started: a command that is called as
#   CMD JOB=1:4 path/to/log.JOB.txt program arguments with JOB
# runs the program once for each job number and fails when one of them fails. A recipe folder's own cmd.sh
# goes before this one, so another machine's starter is named there.

decode_cmd="$AUDIO_LOTTERY_ROOT/utils/run_jobs.py"
