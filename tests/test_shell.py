"""The shell helpers: style, options, the set-up script's search for Python and its failures."""

import fcntl
import os
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = "bash cat cksum dirname env find flock head mkdir mv rm sleep tail".split()


def shell_files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]
    return [str(file.relative_to(ROOT)) for file in files
            if file.suffix == ".sh" or file.read_bytes()[:30].startswith(b"#!/usr/bin/env bash")]


def test_shellcheck():
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    files = shell_files()
    assert {"run.sh", "utils/setup.sh", ".ci/run"} <= set(files)
    done = subprocess.run(["shellcheck", *files], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# --- utils/parse_options.sh


def options(*argv: str, before: str = "") -> subprocess.CompletedProcess:
    script = f"""set -euo pipefail
        nj=4 flag=false name= help_message="all about it"
        {before}
        . {ROOT}/utils/parse_options.sh
        printf '%s|' "$nj" "$flag" "$name" "$@" """
    return subprocess.run(["bash", "-c", script, "recipe.sh", *argv], capture_output=True, text=True)


@pytest.mark.parametrize("argv, printed", [
    ([], "4|false||"),
    (["--nj", "2", "--flag=true", "--name", "two words"], "2|true|two words|"),
    (["--name=--rate 0.2=x", "rest", "--nj"], "4|false|--rate 0.2=x|rest|--nj|"),
    (["--name", "--rate 0.2"], "4|false|--rate 0.2|"),
    (["--name", "$(echo no) `no` ; *"], "4|false|$(echo no) `no` ; *|"),
    (["--name", "", "--", "--nj"], "4|false||--nj|"),
])
def test_options_are_set(argv, printed):
    done = options(*argv)
    assert (done.returncode, done.stdout) == (0, printed), done.stderr


@pytest.mark.parametrize("argv, named", [
    (["--speed", "2"], "no option --speed"),
    (["--PATH", "x"], "no option --PATH"),
    (["--help_message", "x"], "no option --help_message"),
    (["--nj"], "--nj needs a value"),
    (["--nj", "--flag", "true"], "--nj needs a value"),
    (["--flag", "maybe"], "--flag takes true or false, not 'maybe'"),
    (["-n", "4"], "two dashes"),
])
def test_bad_options_are_one_line(argv, named):
    done = options(*argv)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("recipe.sh: error: ") and done.stderr.count("\n") == 1
    assert named in done.stderr


def test_command_line_is_kept_as_a_shell_reads_it():
    script = f"help_message=x nj=1; . {ROOT}/utils/parse_options.sh; echo \"$command_line\""
    done = subprocess.run(["bash", "-c", script, "a/run.sh", "--nj", "2", "it's", "a b"],
                          capture_output=True, text=True)
    assert done.stdout.startswith("a/run.sh --nj 2 ")
    assert shlex.split(done.stdout) == ["a/run.sh", "--nj", "2", "it's", "a b"]


def test_options_help():
    done = options("--nj", "2", "--help")
    assert (done.returncode, done.stdout) == (0, "all about it\n")


def test_unknown_options_are_passed_on_where_asked():
    done = options("--nj", "2", "--stop-at", "a b", before="pass_on=()")
    assert done.returncode == 0
    script = f"""help_message=x own=1 pass_on=(); . {ROOT}/utils/parse_options.sh
        printf '%s|' "$own" "${{pass_on[@]}}" """
    done = subprocess.run(["bash", "-c", script, "r", "--own", "2", "--other", "a b"],
                          capture_output=True, text=True)
    assert done.stdout == "2|--other=a b|"


# --- utils/setup.sh


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder like a fresh clone's, as far as the set-up script looks, and a machine of few programs."""
    root = tmp_path / "a clone"
    (root / "utils").mkdir(parents=True)
    for name in ("setup.py", "pyproject.toml", "constraints.txt", "utils/setup.sh"):
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "audio_lottery" / "bin", root / "audio_lottery" / "bin")
    shutil.copy(ROOT / "audio_lottery" / "__init__.py", root / "audio_lottery")
    (tmp_path / "home").mkdir()
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        if found := shutil.which(tool):
            (tmp_path / "bin" / tool).symlink_to(found)
    return root


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def set_up(clone: Path, **environment: str) -> subprocess.CompletedProcess:
    env = {"PATH": str(clone.parent / "bin"), "HOME": str(clone.parent / "home"), **environment}
    return subprocess.run([clone / "utils/setup.sh"], env=env, capture_output=True, text=True)


def test_no_python(clone):
    done = set_up(clone)
    assert done.returncode == 1
    assert done.stderr.startswith("set-up: error: Python 3.12 or 3.13 with venv is needed (none found)")
    assert done.stderr.count("\n") == 1


def test_old_and_broken_pythons_are_named(clone):
    program(clone.parent / "bin/python3", "cat >/dev/null; echo is 3.11.7")
    program(clone.parent / "bin/python3.12", "echo 'pyenv: no such version' >&2; exit 127")
    done = set_up(clone)
    assert done.returncode == 1
    assert "python3.12 does not start; " in done.stderr and "python3 is 3.11.7)" in done.stderr
    assert "PYTHON=" in done.stderr and done.stderr.count("\n") == 1


def test_named_python_is_the_only_one_tried(clone):
    (clone.parent / "bin/python3.12").symlink_to(sys.executable)
    done = set_up(clone, PYTHON="/nowhere/python")
    assert done.returncode == 1 and "(none found)" in done.stderr


def test_pyenv_python_is_found_and_a_failed_environment_is_reported(clone):
    python = clone.parent / "home/.pyenv/versions/3.12.1/bin/python3"
    program(python, f'[ "$1" != -m ] || {{ echo "no space left" >&2; exit 1; }}; exec "{sys.executable}" "$@"')
    done = set_up(clone)
    assert done.returncode == 1
    assert f"({python})" in done.stdout
    assert "no C++ compiler found" in done.stdout
    assert "no space left" in done.stderr and "could not make" in done.stderr
    assert not (clone / ".venv/.done").exists()


def test_interrupted_set_up_is_redone_from_nothing_and_a_failure_leaves_no_stamp(clone):
    (clone / ".venv/lib").mkdir(parents=True)
    (clone / ".venv/lib/half").touch()
    done = set_up(clone, PYTHON=sys.executable, PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)
    assert done.returncode == 1
    assert "set-up: making" in done.stdout
    assert (clone / ".venv/bin/python").exists() and not (clone / ".venv/lib/half").exists()
    assert "ERROR:" in done.stderr  # the tail of pip's log
    assert done.stderr.splitlines()[-1].startswith("set-up: error: packages could not be installed")
    assert not (clone / ".venv/.done").exists()


def test_second_start_waits_for_the_first(clone):
    if shutil.which("flock") is None:
        pytest.skip("flock is not installed")
    (clone / ".venv").mkdir()
    with open(clone / ".venv/.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        env = {"PATH": str(clone.parent / "bin"), "HOME": str(clone.parent / "home")}
        process = subprocess.Popen([clone / "utils/setup.sh"], env=env, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        assert process.stdout.readline().startswith("set-up: waiting for another set-up")
        assert process.poll() is None
    process.communicate(timeout=600)
    assert process.returncode == 1  # no Python on this machine


def test_ready_environment_is_left_alone():
    stamp = ROOT / ".venv/.done"
    if Path(sys.prefix) != ROOT / ".venv" or not stamp.exists():
        pytest.skip("the tests do not run in the environment that utils/setup.sh makes")
    before = stamp.stat().st_mtime_ns
    done = subprocess.run([ROOT / "utils/setup.sh"], capture_output=True, text=True, check=True)
    assert "is ready" in done.stdout and done.stdout.count("\n") == 1
    assert stamp.stat().st_mtime_ns == before


def test_constraints_name_versions_only():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(line.count("==") == 1 and not set("@/:") & set(line) for line in pins)
    assert any(line.startswith("espnet==202611") for line in pins)
