"""How much of a training step is the front end, from audio to filterbanks: all that training from stored filterbanks
(--feats_type fbank) can save, loading aside.

A step is forward and backward of 32 utterances of 3.2 s and 5 tokens, noise, on one thread. "at most" is how many times
faster steps without a front end would be. Times are interleaved medians in seconds. The last line is JSON.

    python benchmarks/front_end.py exp/ds2_imp/round_00 ...        trained rounds that take audio
"""

import argparse
from pathlib import Path

import torch
from engine_race import CLOCKS, race, report

from audio_lottery.espnet.models import stock_model
from audio_lottery.fileio import read_yaml
from audio_lottery.report.recipe import backbone

UTTERANCES, SECONDS, TOKENS = 32, 3.2, 5


def measure(folder: Path, args: argparse.Namespace) -> dict:
    """The row of one model."""
    torch.manual_seed(0)
    model, config = stock_model(folder, "auto").train(), read_yaml(folder / "config.yaml")
    samples = int(SECONDS * config["frontend_conf"]["fs"])
    speech, lengths = torch.randn(UTTERANCES, samples) / 10, torch.full((UTTERANCES,), samples)
    text = torch.randint(2, len(config["token_list"]) - 1, (UTTERANCES, TOKENS))

    def step() -> None:
        model.zero_grad()
        model(speech, lengths, text, torch.full((UTTERANCES,), TOKENS))[0].backward()

    times = race({"step": step, "front end": lambda: model._extract_feats(speech, lengths)}, args.turns, args.clock)
    share = times["front end"] / times["step"]
    return {"model": backbone(config), "weights": sum(p.numel() for p in model.parameters()), "step s": times["step"],
            "front end s": times["front end"], "share %": 100 * share, "at most": 1 / (1 - share)}  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=Path, nargs="+")
    parser.add_argument("--turns", type=int, default=11)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    args = parser.parse_args()
    torch.set_num_threads(1)
    report([measure(folder, args) for folder in args.rounds], threads=1, clock=args.clock)


if __name__ == "__main__":
    main()
