"""Option files of clusters."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("job_options", ROOT / "utils/job_options.py")
job_options = importlib.util.module_from_spec(spec)
spec.loader.exec_module(job_options)
KALDI = """# Default configuration
command sbatch --export=PATH
option name=* --job-name $0
default time=48:00:00
option time=* --time $0   # hours
option mem=0
option mem=* --mem-per-cpu "$0"
default gpu=0
option gpu=0 -p shared
option gpu=* -p dgx --gres=gpu:$0
option num-threads=* --cpus-per-task $0
"""


@pytest.mark.parametrize("given, words", [
    ({}, "--time 48:00:00 -p shared"),
    ({"gpu": "2", "time": "1"}, "--time 1 -p dgx --gres=gpu:2"),
    ({"mem": "0", "num_threads": "4"}, "--time 48:00:00 -p shared --cpus-per-task 4"),
])
def test_kaldis_file_is_read_as_kaldi_reads_it(tmp_path, given, words):
    path = tmp_path / "slurm.conf"
    path.write_text(KALDI)
    assert job_options.submission(path, given) == ["sbatch", "--export=PATH", *words.split()]


def test_a_value_stays_one_word(tmp_path):
    path = tmp_path / "slurm.conf"
    path.write_text(KALDI)
    assert job_options.submission(path, {"mem": "$(touch x) ; y"})[-2:] == ["--mem-per-cpu", "$(touch x) ; y"]


@pytest.mark.parametrize("text, named", [
    ("option mem=* --mem $0\n", "no command"),
    ("command sbatch\n\noptions mem=1\n", "slurm.conf:3: not a line of an option file"),
    ("command sbatch 'x\n", "slurm.conf:1: No closing quotation"),
    ("command sbatch\ndefault mem\n", "slurm.conf:2: not a line"),
])
def test_bad_files_are_told_by_line(tmp_path, text, named):
    path = tmp_path / "slurm.conf"
    path.write_text(text)
    with pytest.raises(ValueError, match=named):
        job_options.submission(path, {})


@pytest.mark.parametrize("name", ["slurm.conf", "queue.conf"])
def test_the_toolkits_own_files_know_the_common_options(name):
    common = {"gpu": "1", "mem": "4G", "time": "8:00:00", "num_threads": "2", "partition": "p"}
    words = job_options.submission(ROOT / "conf" / name, common)
    assert all(any(value in word for word in words) for value in common.values())
