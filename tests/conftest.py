"""What tests share: where the repository and the corpora are, and whether sclite is there."""

import getpass
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A shared machine stalls at times: a slow example is no failure, and pytest has its own time limit.
# In CI the examples are the same each time, so that a failure is the change's own; by hand they vary.
settings.register_profile("audio_lottery", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("audio_lottery")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The repository's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real corpora beside the repository; the test is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "corpora"
    if not folder.is_dir():
        pytest.skip(f"no corpora in {folder}")
    return folder


@pytest.fixture(scope="session")
def sclite() -> str:
    """The path of sclite; the test is skipped where it is not installed."""
    found = shutil.which("sclite") or shutil.which("sclite", path="/usr/lib/sctk/bin")
    if found is None:
        pytest.skip("sclite is not installed (Debian package sctk)")
    return found


@pytest.fixture
def stopping():
    """``(kind, method, call) ->`` a backend of a class that is interrupted at that call of one of its methods."""

    def make(kind: type, method: str, call: int):
        calls = itertools.count(1)

        def stop(self, *args):
            if next(calls) == call:
                raise KeyboardInterrupt
            return getattr(kind, method)(self, *args)

        return type("Stopping", (kind,), {method: stop})()

    return make


# Found by every Python with the gate's environment; os.replace and Path.rename are renames too.
AT_GATE = """
import fnmatch, os, sys, time

seen = 0

def hook(event, arguments):
    global seen
    if event == "os.rename" and fnmatch.fnmatch(os.fsdecode(arguments[1]), {pattern!r}):
        seen += 1
        if seen == {number}:
            open({reached!r}, "w").close()
            while not os.path.exists({passed!r}):
                time.sleep(0.02)

sys.addaudithook(hook)
"""


class Gate:
    """Where processes with ``environment`` wait: before the ``number``-th file that one of them renames to a name like
    ``pattern``. So a fault comes at the same moment however busy the machine is."""

    def __init__(self, folder: Path, pattern: str, number: int = 1):
        self.reached, self.passed = folder / "reached", folder / "passed"
        (folder / "sitecustomize.py").write_text(AT_GATE.format(
            pattern=pattern, number=number, reached=str(self.reached), passed=str(self.passed)))
        self.environment = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", "OMP_NUM_THREADS": "1"}

    def wait(self, process: subprocess.Popen, said: Callable[[], str] = str) -> None:
        """Until a process stands there. said: what to show when ``process`` ends before."""
        while not self.reached.exists():
            assert process.poll() is None, said()
            time.sleep(0.02)

    def open(self) -> None:
        """Let them go on."""
        self.passed.touch()


@pytest.fixture
def gate(tmp_path) -> Callable[..., Gate]:
    """``(pattern, number=1) ->`` a Gate."""
    return lambda *where: Gate(Path(tempfile.mkdtemp(prefix="gate", dir=tmp_path)), *where)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a given size in kB that can be enlarged; needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a small file system can only be mounted by root")

    def mount(size: int, *options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", ",".join([*options, f"size={size}k"]), "tmpfs", folder]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("this machine lets nobody mount a file system")
        return folder

    yield mount
    subprocess.run(["umount", "--lazy", folder], capture_output=True)


@pytest.fixture(scope="session")
def slurm() -> Iterator[dict[str, str]]:
    """The environment of a real Slurm of one node with 4 CPUs and 2000 MB, run by this user in a temporary folder."""
    programs = {name: shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
                for name in ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")}
    if absent := [name for name, path in programs.items() if path is None]:
        pytest.skip(f"no {', '.join(absent)} (Debian packages slurmctld, slurmd, slurm-client, munge)")
    folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))  # a socket's path must be short
    (folder / "key").write_bytes(os.urandom(1024))
    (folder / "key").chmod(0o600)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    host, user, ports = socket.gethostname().split(".")[0], getpass.getuser(), free_ports(2)
    (folder / "slurm.conf").write_text(f"""ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
JobAcctGatherType=jobacct_gather/none
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=2000
PartitionName=main Nodes=ALL Default=YES
""")
    env = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "AUDIO_LOTTERY_POLL": "0.3"}
    commands = [
        [programs["munged"], "--foreground", "--force", f"--key-file={folder}/key", f"--socket={folder}/munge.sock",
         f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/seed"],
        [programs["slurmctld"], "-D"], [programs["slurmd"], "-D"]]
    logs = [open(folder / f"{number}.log", "w") for number in range(len(commands))]
    processes = [subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                 for command, log in zip(commands, logs, strict=True)]
    try:
        for _ in range(1500):
            up = subprocess.run([programs["scontrol"], "show", "node", "--oneliner"], env=env, capture_output=True,
                                text=True)
            if "State=IDLE " in up.stdout:
                break
            time.sleep(0.2)
        else:
            pytest.skip("Slurm did not start here: " + (folder / "1.log").read_text()[-300:]
                        + (folder / "2.log").read_text()[-300:])
        yield env
        subprocess.run(["scancel", f"--user={user}"], env=env)
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()
        for log in logs:
            log.close()
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
