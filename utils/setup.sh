#!/usr/bin/env bash
# Makes the Python environment .venv from setup.py and constraints.txt; does nothing when it is ready.
# run.sh and the Makefile call it. PYTHON=/path/to/python3.12 chooses the Python.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
log=$venv/setup.log
unset PYTHONPATH PYTHONHOME

say() { echo "set-up: $*"; }
die() { echo "set-up: error: $*" >&2; exit 1; }

# Prints "ok VERSION" for a Python that can make the environment, else why it cannot.
probe() {
    "$1" - 2>/dev/null <<'PY' || echo "does not start"
import sys
version = "%d.%d.%d" % sys.version_info[:3]
if not (3, 12) <= sys.version_info[:2] < (3, 14):
    print("is " + version)
else:
    try:
        import ensurepip, venv
        print("ok " + version)
    except ImportError:
        print("is " + version + " without the venv module")
PY
}

# Sets python and python_version, or stops with what was tried and what to do.
find_python() {
    local candidate answer tried=()
    local candidates=(python3.12 python3.13 python3
        "$HOME"/.pyenv/versions/3.12*/bin/python3 "$HOME"/.pyenv/versions/3.13*/bin/python3)
    if [ -n "${PYTHON:-}" ]; then candidates=("$PYTHON"); fi
    for candidate in "${candidates[@]}"; do
        python=$(command -v "$candidate") || continue
        answer=$(probe "$python")
        if [[ $answer == ok* ]]; then
            python_version=${answer#ok }
            return
        fi
        tried+=("$python $answer")
    done
    local found="none found"
    if [ ${#tried[@]} -gt 0 ]; then found=$(printf '%s; ' "${tried[@]}"); fi
    die "Python 3.12 or 3.13 with venv is needed (${found%; }): install one ('pyenv install 3.12', or the" \
        "packages python3.12 and python3.12-venv), or name one by PYTHON=/path/to/python3.12"
}

# What the environment was made from; when this changes, it is brought up to date.
stamp() {
    echo "$1"
    echo "$root"
    cat "$root/setup.py" "$root/constraints.txt" | cksum
}

# Does the environment start, and are the package and its largest parts really there?
healthy() {
    "$venv/bin/python" - "$root" 2>/dev/null <<'PY'
import importlib.util as util
import os
import sys
for name in ("espnet2", "torch", "torchaudio", "safetensors", "pytest"):
    if util.find_spec(name) is None:
        sys.exit(1)
here = util.find_spec("audio_lottery")
sys.exit(here is None or not os.path.samefile(os.path.dirname(os.path.dirname(here.origin)), sys.argv[1]))
PY
}

ready() {
    local version
    [ -f "$venv/.done" ] || return 1
    version=$(head -n 1 "$venv/.done")
    if [ -n "${PYTHON:-}" ] && [ "$version" != "$python_version" ]; then return 1; fi
    [ "$(cat "$venv/.done")" = "$(stamp "$version")" ] && healthy
}

# Installs the package, as it stands in this folder, with one of setup.py's extras.
install() {
    (cd "$root" && "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
        -c constraints.txt -e ".[$1]") >>"$log" 2>&1 </dev/null
}

if [ -n "${PYTHON:-}" ]; then find_python; fi
mkdir -p "$venv" 2>/dev/null || die "$venv: cannot be made: check the permissions of $root"
# Two starts at once: the second waits, then finds everything ready.
if command -v flock >/dev/null; then
    exec 9>"$venv/.lock"
    flock -n 9 || { say "waiting for another set-up of $venv"; flock 9; }
fi
if ready; then
    say "$venv is ready (Python $(head -n 1 "$venv/.done"))"
    exit 0
fi

find_python
say "Python $python_version ($python)"
compiler=$(command -v "${CXX:-c++}" || command -v g++ || command -v clang++ || true)
if [ -z "$compiler" ]; then
    say "note: no C++ compiler found (install g++ or clang): n-gram language models need one, and so do some" \
        "packages on Python 3.13"
fi
# Whole, but made from other versions: pip can bring it up to date. Interrupted, moved or broken: start anew.
if [ -f "$venv/.done" ] && [ "$(head -n 1 "$venv/.done")" = "$python_version" ] && healthy; then
    say "bringing $venv up to date"
    rm -f "$venv/.done"
else
    say "making $venv"
    rm -f "$venv/.done"  # first, so that no half-removed environment passes for a whole one
    find "$venv" -mindepth 1 -maxdepth 1 ! -name .lock -exec rm -rf {} +
    if ! "$python" -m venv "$venv" >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        die "$python could not make $venv: see above: install its venv module or free disk space"
    fi
fi

say "installing packages (some minutes, about 7 GB; log: $log)"
if ! install test; then
    echo "---- last lines of $log" >&2
    tail -n 15 "$log" >&2
    die "packages could not be installed: check the network, the free disk space (7 GB) and the lines above," \
        "then start again"
fi
if [ -n "$compiler" ]; then
    say "building KenLM, for n-gram language models"
    install lm || say "note: KenLM could not be built (see $log): decoding with n-gram models will not work"
fi
healthy || die "$venv is incomplete after the installation: see $log, remove $venv and start again"
stamp "$python_version" >"$venv/.done.tmp"
mv "$venv/.done.tmp" "$venv/.done"
say "ready: $venv"
