#!/usr/bin/env python3
"""Run a job array through Grid Engine: sge_jobs.py [--option VALUE ...] [JOB=1:4] LOG PROGRAM ARGUMENTS...

As run_jobs.py, but each job runs on a node that Grid Engine chooses. Options:

--config FILE   what the other options mean to qsub [conf/queue.conf]: --mem 4G --gpu 1 --num_threads 2 ...
--max_jobs N    jobs that run at a time, at most
--retries N     submit what failed, or was lost with its node, so many times again [0]
"""

import sys
from pathlib import Path

import cluster


class GridEngine:
    """Grid Engine (Sun's, Univa's, Son of, Open), by its commands qsub, qstat and qdel."""

    config, index = "conf/queue.conf", "SGE_TASK_ID"

    def array(self, members: int, at_once: int | None, folder: Path) -> list[str]:
        """Tasks 1 to ``members``; what Grid Engine itself says goes to N.out in ``folder``."""
        limit = ["-tc", str(at_once)] if at_once else []
        return ["-terse", "-S", "/bin/bash", "-wd", str(folder), "-j", "y", "-o", "$TASK_ID.out",
                "-t", f"1-{members}", *limit]

    def waiting(self, job: str) -> set[int] | None:
        """qstat -j knows a job until its last task has ended; tasks in an error state never will."""
        done = cluster.ask("qstat", "-j", job)
        if done.returncode:
            return set() if "do not exist" in done.stdout + done.stderr else None
        if "error reason" in done.stdout:
            self.cancel(job)
            return set()
        return _Any()

    def fate(self, job: str, member: int) -> str:
        """qacct needs accounting that users often cannot read, so it isn't asked."""
        return f"it is gone: qacct -j {job} -t {member} may tell why"

    def cancel(self, job: str) -> None:
        """Tasks that wait and tasks that run."""
        cluster.ask("qdel", job)


class _Any(set):
    """All members: qstat doesn't tell which."""

    def __contains__(self, member: object) -> bool:
        return True


if __name__ == "__main__":
    sys.exit(cluster.main(sys.argv[1:], __doc__, GridEngine()))
