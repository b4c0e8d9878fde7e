#!/usr/bin/env python3
"""Run a job array through Slurm: slurm_jobs.py [--option VALUE ...] [JOB=1:4] LOG PROGRAM ARGUMENTS...

As run_jobs.py, but each job runs on a node that Slurm chooses. Options:

--config FILE   what the other options mean to sbatch [conf/slurm.conf]: --mem 4G --time 8:00:00 --gpu 1 ...
--max_jobs N    jobs that run at a time, at most
--retries N     submit what failed, or was lost with its node, so many times again [0]
"""

import re
import sys
from pathlib import Path

import cluster


class Slurm:
    """Slurm, by its commands sbatch, squeue, scontrol and scancel."""

    config, index = "conf/slurm.conf", "SLURM_ARRAY_TASK_ID"

    def array(self, members: int, at_once: int | None, folder: Path) -> list[str]:
        """Members 1 to ``members``; what Slurm itself says goes to N.out in ``folder``."""
        limit = f"%{at_once}" if at_once else ""
        return ["--parsable", f"--array=1-{members}{limit}", f"--chdir={folder}", "--output=%a.out",
                "--open-mode=append"]

    def waiting(self, job: str) -> set[int] | None:
        """squeue lists what waits and runs; it forgets a job some minutes after its end."""
        done = cluster.ask("squeue", "--noheader", "--array", f"--jobs={job}", "--format=%K")
        if done.returncode:
            return set() if "Invalid job id" in done.stderr else None
        return {int(line) for line in done.stdout.split() if line.isdecimal()}

    def fate(self, job: str, member: int) -> str:
        """TIMEOUT, NODE_FAIL, OUT_OF_MEMORY, CANCELLED ..."""
        done = cluster.ask("scontrol", "show", "job", "--oneliner", f"{job}_{member}")
        state = re.search(r"JobState=(\S+) Reason=(\S+)", done.stdout)
        return f"{state[1]}, reason {state[2]}" if state else "Slurm doesn't know it any more"

    def cancel(self, job: str) -> None:
        """Members that wait and members that run."""
        cluster.ask("scancel", job)


if __name__ == "__main__":
    sys.exit(cluster.main(sys.argv[1:], __doc__, Slurm()))
