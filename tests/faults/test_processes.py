"""Faults of what is around a search: another search, files that go, folders that cannot be written, the clock."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audio_lottery.bin import cli, decode
from audio_lottery.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]


def wait_for(path: Path, process: subprocess.Popen) -> None:
    while not path.exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)


def complaint(said: str) -> str:
    """The one line of ours in what a command said; ESPnet may note beside it what it could not import."""
    lines = [line for line in said.splitlines() if line.startswith("audio-lottery ")]
    assert len(lines) == 1 and "Traceback" not in said, said
    return lines[0]


@pytest.mark.timeout(14400)
def test_the_second_of_two_searches_is_refused_and_the_first_goes_on(recipe, exp, tmp_path, same_search):
    folder = tmp_path / "exp"
    first = recipe.spawn(folder)
    wait_for(folder / "round_00/start.json", first)
    first.send_signal(signal.SIGSTOP)  # it shall not be over before the second has begun
    second = recipe.spawn(folder)
    said, _ = second.communicate()
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 1 and "another search is running here" in complaint(said)
    said, _ = first.communicate()
    assert first.returncode == 0, said
    same_search(exp, folder)


@pytest.mark.timeout(14400)
def test_a_file_of_the_corpus_goes_while_training(recipe, exp, tmp_path, same_search):
    folder = tmp_path / "exp"
    line = (recipe.dump / "train/wav.scp").read_text().splitlines()[3]
    audio = Path(line.split(maxsplit=1)[1])
    process = recipe.spawn(folder)
    wait_for(folder / "round_00/1epoch.pth", process)
    audio.rename(tmp_path / "gone.wav")
    said, _ = process.communicate()
    (tmp_path / "gone.wav").rename(audio)
    assert process.returncode == 1
    assert "train.log: ESPnet stopped" in said.splitlines()[-1] and audio.name in said.splitlines()[-1], said
    process = recipe.spawn(folder)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    same_search(exp, folder)


@pytest.mark.timeout(14400)
def test_a_clock_that_runs_backwards(recipe, exp, espnet_server, tmp_path, same_search):
    """A search, killed and gone on with while all its files are of the future."""
    folder, log = tmp_path / "exp", tmp_path / "log"
    find = ["find", *recipe.search(folder)]
    answer = espnet_server.run("backwards", [*find, "--last_round", "1"], log=log, kill=(150, 0.1))
    assert answer["status"] == -9, log.read_text()
    for path in folder.rglob("*"):
        os.utime(path, (4_000_000_000, 4_000_000_000), follow_symlinks=False)
    answer = espnet_server.run("backwards", find, log=log)
    assert answer["status"] == 0, log.read_text()
    same_search(exp, folder)
    assert all(row["train_seconds"] >= 0 for row in Ledger(folder).rows)


@pytest.mark.timeout(14400)
def test_folders_that_cannot_be_written(recipe, exp, decode_config, small_disk, tmp_path, capfd):
    """Data on a read-only file system serve; a search there is refused in one line and changes nothing."""
    disk = small_disk(65536)
    shutil.copytree(exp, disk / "exp", symlinks=True)
    shutil.copytree(recipe.dump, disk / "dump")
    before = {path: path.stat().st_mtime_ns for path in disk.rglob("*")}
    small_disk(65536, "remount", "ro")
    where = ["--inference_config", str(decode_config), "--data", str(disk / "dump"), "--sets", "test"]
    capfd.readouterr()
    for command in (["find", *recipe.search(disk / "exp")], ["find", *recipe.search(disk / "new")],
                    ["decode", str(disk / "exp"), *where], ["score", str(disk / "exp"), "--sets", "test", "--refs",
                                                            str(disk / "dump")]):
        done = subprocess.run([sys.executable, "-m", "audio_lottery.bin.main", *command], cwd=ROOT, text=True,
                              capture_output=True)
        assert done.returncode == 1 and str(disk) in complaint(done.stderr), done.stderr
    assert {path: path.stat().st_mtime_ns for path in disk.rglob("*")} == before
    shutil.copytree(exp, tmp_path / "exp", symlinks=True)
    assert cli.main(decode, [str(tmp_path / "exp"), *where, "--rounds", "0"]) == 0


@pytest.mark.timeout(14400)
def test_a_decoding_job_that_fails(recipe, exp, decode_config, tmp_path):
    """Its audio cannot be read: the other jobs end, the status is 1, and again only that job is done."""
    folder, data = tmp_path / "exp", tmp_path / "dump/test"
    shutil.copytree(exp, folder, symlinks=True)
    shutil.copytree(recipe.dump / "test", data)
    lines = (data / "wav.scp").read_text().splitlines()
    audio = tmp_path / "one.wav"  # of job 2 of 3
    audio.write_bytes(Path(lines[1].split(maxsplit=1)[1]).read_bytes())
    lines[1] = f"{lines[1].split()[0]} {audio}"
    (data / "wav.scp").write_text("".join(f"{line}\n" for line in lines))
    one = [sys.executable, "-m", "audio_lottery.bin.decode", str(folder), "--inference_config", str(decode_config),
           "--data", str(tmp_path / "dump"), "--sets", "test", "--rounds", "1", "--nj", "3"]
    array = [sys.executable, str(ROOT / "utils/run_jobs.py"), "JOB=1:3", str(tmp_path / "log.JOB"), *one, "--job",
             "JOB"]

    def run() -> tuple[int, str, list[str]]:
        done = subprocess.run(array, cwd=ROOT, capture_output=True, text=True)
        return done.returncode, done.stderr, [(tmp_path / f"log.{job}").read_text() for job in (1, 2, 3)]

    audio.rename(tmp_path / "gone.wav")
    status, said, logs = run()
    assert said.splitlines()[-1] == f"run_jobs: error: 1 of 3 jobs failed: see {tmp_path}/log.2"
    assert status == 1 and "2 decoded" in logs[0] and "2 decoded" in logs[2]
    assert "audio-lottery decode: error: " in logs[1] and "Traceback" not in logs[1]
    (tmp_path / "gone.wav").rename(audio)
    status, said, logs = run()
    assert (status, said) == (0, "") and "2 decoded" in logs[1] and "up to date" in logs[0] and "up to date" in logs[2]
    assert subprocess.run([*one, "--merge"], cwd=ROOT).returncode == 0
