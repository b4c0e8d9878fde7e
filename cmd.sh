# shellcheck shell=bash disable=SC2034  # run.sh sources this file and reads these variables
# How jobs are started: words (split at blanks, no quotes) that are called as
#   CMD --gpu 1 path/to/log program arguments               training
#   CMD JOB=1:4 path/to/log.JOB.txt program arguments       decoding: the program once for each JOB
# What --mem 4G, --time 8:00:00, --partition NAME mean to sbatch or qsub, conf/slurm.conf and conf/queue.conf say.
# A recipe folder's own cmd.sh and conf/ go before these. Kaldi's run.pl, slurm.pl and queue.pl serve as well.

cmd_backend=${AUDIO_LOTTERY_CMD:-local}    # local, slurm or sge

case $cmd_backend in
    local)
        train_cmd=run_jobs.py              # this one trains here and shows it
        decode_cmd=run_jobs.py
        ;;
    slurm)
        train_cmd="slurm_jobs.py --retries 2"
        decode_cmd="slurm_jobs.py --retries 2"
        ;;
    sge)
        train_cmd="sge_jobs.py --retries 2"
        decode_cmd="sge_jobs.py --retries 2"
        ;;
    *)
        echo "cmd.sh: error: cmd_backend $cmd_backend: local, slurm or sge is expected" >&2
        exit 1
        ;;
esac
cuda_cmd=$train_cmd                        # training with --ngpu 1 or more
