"""Time and peak memory of the RNN-T loss, forward and backward; prints one JSON line.

    OMP_NUM_THREADS=1 python benchmarks/rnnt_loss.py [--batch 8 --frames 75 --labels 40 --vocab 50]

The backends take turns in one process; a time is the median of the repeats, in seconds. `extra_logits` is
the peak of the memory allocated beside the logits, in units of the logits (the gradient itself is 1).
"""

import argparse
import json
import statistics
import time

import torch
from torch.profiler import ProfilerActivity, profile

from audio_lottery.espnet.transducer_loss import BACKENDS, transducer_loss

TARGET_SECONDS = 0.35  # B=8, T=75, U=40, V=50, one thread


def step(backend: str, logits: torch.Tensor, *rest: torch.Tensor) -> None:
    """One loss and its gradient."""
    logits = logits.detach().requires_grad_()
    transducer_loss(logits, *rest, backend=backend).backward()


def seconds(backend: str, *inputs: torch.Tensor) -> float:
    """Wall time of one step."""
    start = time.perf_counter()
    step(backend, *inputs)
    return time.perf_counter() - start


def extra_memory(backend: str, *inputs: torch.Tensor) -> float:
    """Peak of live bytes allocated during one step over the bytes of the logits."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step(backend, *inputs)
    live = peak = 0
    for event in sorted(profiler.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    return peak / (inputs[0].numel() * inputs[0].element_size())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("batch", 8), ("frames", 75), ("labels", 40), ("vocab", 50), ("repeats", 15)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    logits = torch.randn(args.batch, args.frames, args.labels + 1, args.vocab)
    targets = torch.randint(1, args.vocab, (args.batch, args.labels))
    inputs = (logits, targets, torch.full((args.batch,), args.frames), torch.full((args.batch,), args.labels))
    times = {backend: [] for backend in BACKENDS}
    for backend in BACKENDS:
        step(backend, *inputs)
    for _ in range(args.repeats):
        for backend in BACKENDS:
            times[backend].append(seconds(backend, *inputs))
    result = {"benchmark": "rnnt_loss", **vars(args), "threads": 1, "target_s": TARGET_SECONDS}
    for backend in BACKENDS:
        result[f"{backend}_s"] = round(statistics.median(times[backend]), 4)
        result[f"{backend}_extra_logits"] = round(extra_memory(backend, *inputs), 2)
    result["torch_over_torchaudio"] = round(
        statistics.median(ours / theirs for ours, theirs in zip(times["torch"], times["torchaudio"], strict=True)), 2)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
