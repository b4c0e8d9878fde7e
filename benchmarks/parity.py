"""Does the engine say what ESPnet says, on one ticket of each of several trained searches?

As ``audio-lottery parity``, of which it shows the tables: texts, encoder outputs, WER and size of fp32, fp16 and int8.
Start it in the recipe's folder. The last line is JSON; kept in benchmarks/results/parity.jsonl it becomes a part of
RESULTS.md. It measures no time.
"""

import argparse
import json
from pathlib import Path

from engine_race import processor

from audio_lottery.bin.export import add_round
from audio_lottery.bin.parity import text
from audio_lottery.espnet.parity import parity
from audio_lottery.espnet.tasks import resolve
from audio_lottery.export.shipping import choose_round
from audio_lottery.fileio import read_yaml
from audio_lottery.layout import Layout
from audio_lottery.report.evidence import backbone


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("exp", nargs="+", type=Path, help="folders of searches, scored")
    add_round(parser)
    parser.add_argument("--set", default="test", help="set to recognise")
    parser.add_argument("--data", type=Path, default=Path("dump/raw"), help="folder of the formatted sets")
    parser.add_argument("--beam_size", type=int, default=4, help="of transducers' tsd search; 1 is greedy, as CTC is")
    args = parser.parse_args()
    rows = []
    for exp in args.exp:
        number = choose_round(exp, args.round, args.dev, args.inference_tag)
        folder = Layout(exp).round(number)
        beam = args.beam_size if resolve("auto", folder / "config.yaml") == "asr_transducer" else 1
        row = {"model": backbone(read_yaml(folder / "config.yaml")), "exp": exp.name, "round": number, "set": args.set}
        rows.append(row | parity(folder, args.data / args.set, beam=beam))
        print(f"{exp.name}, {text(rows[-1])}\n", flush=True)
    print(json.dumps({"processor": processor(), "rows": rows}, ensure_ascii=False))


if __name__ == "__main__":
    main()
