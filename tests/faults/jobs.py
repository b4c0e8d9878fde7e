"""What is killed in these tests: whole searches, from find to the table. Run by fork_server.py, in forks."""

import importlib
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

STEP = "audio_lottery.step"  # an audit event of each optimiser step
SEARCHES = {
    "imp": {},
    "learning_rate": {"restart": "learning_rate"},
    "random": {"criterion": "random", "prune_from": "init"},
    "gradual": {"within": "gradual", "within_conf": {"every": "2it", "end": 0.7}},
    "gradual_alone": {"within": "gradual", "within_conf": {"every": "2it", "end": 0.5, "retrain": False}},
    "rigl": {"within": "rigl", "within_conf": {"every": "2it"}, "allocation": "erk"},
    "early": {"stop": "early", "stop_conf": {"after": "2ep"}},
    "early_bird": {"stop": "early_bird", "stop_conf": {"window": 2, "threshold": 0.2}},
    "dense_bird": {"stop": "early_bird", "stop_conf": {"window": 2, "threshold": 0.2}, "prune_from": "dense"},
}


def load(kinds: list[str]) -> None:
    """Import what jobs of these kinds (plain, espnet) need, and let each optimiser step be an event."""
    import torch
    from torch.optim.optimizer import register_optimizer_step_post_hook

    torch.set_num_threads(1)
    register_optimizer_step_post_hook(lambda *_: sys.audit(STEP))
    if "plain" in kinds:
        for name in ("rounds", "search.changing", "search.stopping"):
            importlib.import_module(f"audio_lottery.{name}")
        path = Path(__file__).resolve().parents[1] / "search/conftest.py"
        spec = importlib.util.spec_from_file_location("plain_backend", path)
        sys.modules["plain_backend"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["plain_backend"])
    if "espnet" in kinds:
        for name in ("prepare", "format", "mix_noise", "fbank", "tokens", "ngram", "stats", "find", "decode", "score",
                     "check", "table", "report", "export", "asr_inference"):
            importlib.import_module(f"audio_lottery.bin.{name}")
        for name in ("espnet.backend", "espnet.small_dense", "espnet.decode", "espnet.asr_task", "metrics.compare",
                     "report.table", "invariants"):
            importlib.import_module(f"audio_lottery.{name}")


def plain(folder: str, name: str) -> None:
    """A search over the training loop in plain torch of tests/search."""
    from audio_lottery.config import LotteryConfig
    from audio_lottery.rounds import search

    backend = sys.modules["plain_backend"].Backend()
    search(folder, replace(LotteryConfig(), rounds=2, rate=0.5, **SEARCHES[name]), backend)


def commands(*called: list[str]) -> int:
    """Commands of the toolkit one after the other, as run.sh calls them, until one fails."""
    from audio_lottery.bin import cli

    for name, *arguments in called:
        print("==", name, flush=True)  # tells in which one it was killed
        status = cli.main(importlib.import_module(f"audio_lottery.bin.{name}"), arguments)
        if status:
            return status
    return 0


def backwards(*called: list[str]) -> int:
    """Commands while the clock runs backwards, an hour a look, from a day that is past."""
    import time

    now = [1_000_000_000.0]

    def earlier() -> float:
        now[0] -= 3600
        return now[0]

    time.time, time.time_ns = earlier, lambda: int(earlier() * 1e9)
    return commands(*called)
