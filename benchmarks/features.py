"""An epoch of training from filterbanks (--feats_type fbank) against one from audio (raw), on fsdd.

Both are prepared by the recipe in a temporary folder and trained by turns, with one thread and one loading process as
the recipe does: raw, fbank, raw, ... Seconds are ESPnet's own of the training part of each epoch; first epochs, which
warm up, are left out. Medians; the last line is JSON.

    python benchmarks/features.py --fsdd_root FSDD [--asr_config conf/20ms/train_asr_conformer.yaml]
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from audio_lottery.data.options import integer

RECIPE = Path(__file__).resolve().parents[1] / "egs2/fsdd/asr1"
KINDS = ("raw", "fbank")
EPOCH = re.compile(r"\d+epoch results: \[train\].*? time=(?:(\d+) minutes? and )?([\d.]+) seconds")


def run(folder: Path, *options: str) -> None:
    """The recipe's run.sh with everything it makes below ``folder``; its last lines, and an end, when it fails."""
    places = [f"--{name}dir={folder / name}" for name in ("data", "dump", "exp")]
    done = subprocess.run([RECIPE / "run.sh", *places, *options], cwd=RECIPE, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit("\n".join(done.stdout.splitlines()[-5:]))


def seconds(log: str) -> list[float]:
    """Of the epochs of a train.log but the first."""
    return [60 * int(minutes or 0) + float(rest) for minutes, rest in EPOCH.findall(log)][1:]


def main() -> None:
    """Prepare, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fsdd_root", required=True, help="the folder that holds recordings/")
    parser.add_argument("--asr_config", default="conf/20ms/train_asr_conformer.yaml")
    parser.add_argument("--epochs", type=integer(2), default=4, help="of each training")
    parser.add_argument("--turns", type=integer(1), default=2)
    args = parser.parse_args()
    root, shared = Path(args.fsdd_root).resolve(), [f"--asr_config={args.asr_config}"]
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in KINDS:
            run(folder, *shared, f"--fsdd_root={root}", f"--feats_type={kind}", "--stop_stage=4")
        for turn in range(args.turns):
            for kind in KINDS:
                run(folder, *shared, f"--feats_type={kind}", "--stage=5", "--stop_stage=5",
                    f"--asr_tag={kind}_{turn}", f"--asr_args=--max_epoch {args.epochs}")
                found[kind] += seconds((folder / f"exp/{kind}_{turn}/round_00/train.log").read_text())
    median = {kind: statistics.median(values) for kind, values in found.items()}
    ratio = median["raw"] / median["fbank"]
    for kind in KINDS:
        print(f"{kind:<6} {median[kind]:6.2f} s an epoch, of {min(found[kind]):.2f} to {max(found[kind]):.2f}")
    print(f"from filterbanks {ratio:.2f} times as fast")
    print(json.dumps({"benchmark": "features", "config": args.asr_config, "seconds": found, "ratio": ratio}))


if __name__ == "__main__":
    main()
