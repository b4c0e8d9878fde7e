"""How long a new Python takes to import the engine: medians over fresh processes, interleaved with numpy alone and with
an empty Python. "over empty" is the import's own part. Modules are compiled beforehand, as pip leaves them. The last
line is JSON.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

from engine_race import report

STATEMENTS = {
    "nothing": "pass",
    "numpy": "import numpy",
    "audio_lottery.engine": "import audio_lottery.engine",
    "audio_lottery.engine.recogniser": "import audio_lottery.engine.recogniser",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=11)
    args = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    with tempfile.TemporaryDirectory() as compiled:
        environment = os.environ | {"PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
        for turn in range(args.turns + 1):
            for name, statement in STATEMENTS.items():
                began = time.perf_counter()
                subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
                if turn:  # the first one compiles
                    times[name].append(time.perf_counter() - began)
    empty = statistics.median(times["nothing"])
    rows = [{"import": name, "seconds": statistics.median(values), "over empty": statistics.median(values) - empty}
            for name, values in times.items()]  # fmt: skip
    report(rows, turns=args.turns)


if __name__ == "__main__":
    main()
