"""Time and memory of making a global magnitude mask: ours against torch.nn.utils.prune.

The weights lie in tensors as large Conformers have them (layers of 512 dimensions and 2048 units);
20% of them are pruned. Each method runs in a process of its own, ours and torch's in turns, one
thread: the median of the seconds, and the peak of the resident set, sampled by the kernel
(VmHWM, reset just before pruning), over what it was before, divided by the size of the weights.
"peak" includes the weights themselves (1.0) and, with --later, the mask pruned from (0.25). Where the
kernel refuses the reset, memory is null. The last line is JSON.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from audio_lottery.bin.cli import str2bool
from audio_lottery.mask import Mask
from audio_lottery.pruning import prune

# One layer of a Conformer with 512 dimensions: two feed-forward pairs, attention, convolution.
LAYER = [(2048, 512), (512, 2048)] * 2 + [(512, 512)] * 5 + [(1024, 512, 1), (512, 1, 31), (512, 512, 1)]
RATE = 0.2


class Bag(nn.Module):
    """Modules that hold one random ``weight`` each, about ``count`` numbers in all."""

    def __init__(self, count: int):
        super().__init__()
        self.parts = nn.ModuleList()
        while count > 0:
            shape = LAYER[len(self.parts) % len(LAYER)]
            part = nn.Module()
            part.weight = nn.Parameter(torch.randn(shape), requires_grad=False)
            self.parts.append(part)
            count -= part.weight.numel()


def resident(field: str) -> int | None:
    """Bytes of ``field`` (VmRSS, or VmHWM: its peak) of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return 1024 * int(line.split()[1])
    return None


def measure(method: str, count: int, later: bool) -> dict:
    """Prune once with ``method`` in this process: seconds, bytes of the weights, bytes at the peak."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    bag = Bag(count)
    weights = {f"{n}.weight": part.weight for n, part in enumerate(bag.parts)}
    mask = Mask.ones(weights, weights)
    warm = {"small": torch.randn(1000)}
    prune(warm, Mask.ones(warm, warm), RATE)
    if later:
        mask = prune(weights, mask, RATE)
    size = sum(4 * weight.numel() for weight in weights.values())
    before = resident("VmRSS")
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    except OSError:
        before = None
    start = time.perf_counter()
    if method == "audio_lottery":
        kept = prune(weights, mask, RATE).kept
    else:
        pairs = [(part, "weight") for part in bag.parts]
        torch_prune.global_unstructured(pairs, torch_prune.L1Unstructured, amount=RATE)
        kept = sum(int(part.weight_mask.sum()) for part in bag.parts)
    seconds = time.perf_counter() - start
    held = sum(tensor.untyped_storage().nbytes() for tensor in mask.values())
    extra = None if before is None else resident("VmHWM") - before + held
    return {"seconds": seconds, "weight_bytes": size, "extra_bytes": extra, "kept": kept}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weights", type=float, default=3e7, help="how many weights (default 3e7)")
    parser.add_argument("--turns", type=int, default=5, help="measured runs per method (default 5)")
    parser.add_argument("--torch", type=str2bool, default=True,
                        help="measure torch.nn.utils.prune too (default true; it needs far more memory)")
    parser.add_argument("--later", type=str2bool, default=False,
                        help="a later round of ours: prune from a mask in memory (default false)")
    parser.add_argument("--method", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.method:
        print(json.dumps(measure(args.method, int(args.weights), args.later)))
        return
    methods = ["audio_lottery"] + ["torch.nn.utils.prune"] * (args.torch and not args.later)
    runs: dict[str, list[dict]] = {method: [] for method in methods}
    for _ in range(args.turns):
        for method in methods:
            command = [sys.executable, __file__, "--weights", str(args.weights), "--method", method]
            output = subprocess.check_output([*command, "--later", str(args.later)], text=True)
            runs[method].append(json.loads(output))
    seconds = {m: statistics.median(run["seconds"] for run in runs[m]) for m in methods}
    peak = {
        m: None if runs[m][0]["extra_bytes"] is None
        else 1 + max(run["extra_bytes"] / run["weight_bytes"] for run in runs[m])
        for m in methods
    }
    print(f"{'':22s} median       peak memory / weights   kept")
    for m in methods:
        memory = "unknown" if peak[m] is None else f"{peak[m]:.2f}"
        print(f"{m:22s} {seconds[m]:8.3f} s   {memory:21s} {runs[m][0]['kept']:,}")
    result = {"benchmark": "make_mask", "torch": torch.__version__, "weights": int(args.weights),
              "later": args.later, "seconds": seconds, "peak_over_weights": peak}
    if len(methods) == 2:
        result["times_faster"] = seconds[methods[1]] / seconds[methods[0]]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
