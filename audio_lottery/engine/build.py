"""Build the engine's shared library with whatever C++17 compiler is there.

One library holds the kernels for every instruction set; which one runs is chosen when it is loaded. Needs
no torch. ``python3 -m audio_lottery.engine.build`` builds in place; setup.py calls :func:`build`.
"""

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from audio_lottery.engine import LIBRARY

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "csrc"
FLAGS = [
    "-std=gnu++17",
    "-O3",
    "-fPIC",
    "-fvisibility=hidden",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
]
AVX512 = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma", "-mprefer-vector-width=512"]
X86 = {"avx2": ["-mavx2", "-mfma"], "avx512": AVX512, "vnni": [*AVX512, "-mavx512vnni"]}


class BuildError(Exception):
    """No compiler, or it failed; the text says which and how."""


def compiler() -> list[str]:
    """The C++ compiler as a command: $CXX, else c++, g++ or clang++."""
    if os.environ.get("CXX"):
        return shlex.split(os.environ["CXX"])
    for name in ("c++", "g++", "clang++"):
        if shutil.which(name):
            return [name]
    raise BuildError("no C++ compiler found (c++, g++, clang++ or $CXX)")


def units() -> list[tuple[str, list[str]]]:
    """(source, flags of its own) for every object file; the kernels once for each instruction set."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    common = ["-DAL_X86"] if x86 else []
    sets = {"plain": [], **(X86 if x86 else {})}
    rest = sorted(path.name for path in SOURCES.glob("*.cpp") if path.name != "isa.cpp")
    return [
        *(("isa.cpp", [*common, f"-DAL_ISA={name}", *flags]) for name, flags in sets.items()),
        *((name, common) for name in rest),
    ]


def fingerprint() -> str:
    """What a library must have been built from to be up to date."""
    total = hashlib.sha256(repr((FLAGS, units())).encode())
    for path in sorted(SOURCES.iterdir()):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


def build(folder: str | Path = HERE) -> Path:
    """Compile into ``folder``; the library is whole or absent. Skipped when nothing changed."""
    library = Path(folder) / LIBRARY
    mark = fingerprint()
    if library.exists() and mark.encode() in library.read_bytes():
        return library
    command = compiler()
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as work:
        objects, jobs = [], []
        for number, (source, flags) in enumerate(units()):
            objects.append(f"{work}/{number}.o")
            marked = [f'-DAL_BUILD="{mark}"'] if source == "api.cpp" else []
            jobs.append([*command, *FLAGS, *flags, *marked, "-c", str(SOURCES / source), "-o", objects[-1]])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_run, jobs))
        _run([*command, "-shared", "-pthread", *objects, "-o", f"{work}/{LIBRARY}"])
        os.replace(f"{work}/{LIBRARY}", library)
    return library


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise BuildError(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        first = next((line for line in lines if "error" in line), lines[0])
        raise BuildError(f"{shlex.join(command[:1])}: {first}")


if __name__ == "__main__":
    try:
        print(build())
    except BuildError as error:
        sys.exit(f"the engine was not built: {error}")
