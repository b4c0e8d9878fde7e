"""Time of a training step: dense, masked by audio_lottery, masked by torch.nn.utils.prune.

ESPnet's Conformer encoder with CTC: 256 dimensions, 4 heads, 6 blocks, macaron feed-forward layers
of 1024 units, kernel 31, conv2d subsampling; a batch of 8 x 300 frames of 80 features, float32, Adam
with fused=true as in conf/, gradient norm clipping at 5 as in ESPnet's trainer. The three models take
turns in one process, in an order that changes each turn; medians, and medians of the ratios within a
turn, of the wall clock and of CPU time (steadier where others use the machine). The last line is JSON.

--fused false: torch's default Adam on the CPU takes square roots with MKL, whose sqrt is 20 times
slower on zeros, and the second moments of pruned weights are zeros. Masked steps pay for that with
any masking method.
"""

import argparse
import copy
import json
import random
import statistics
import time

import torch
from espnet2.asr.ctc import CTC
from espnet2.asr.encoder.conformer_encoder import ConformerEncoder
from torch import nn
from torch.nn.utils import prune as torch_prune

from audio_lottery.bin.cli import str2bool
from audio_lottery.hooks import attach
from audio_lottery.mask import Mask
from audio_lottery.pruning import prune
from audio_lottery.scope import find_scope

BATCH, FRAMES, FEATURES, VOCABULARY, LABELS = 8, 300, 80, 256, 20


class Model(nn.Module):
    """The encoder with a CTC head."""

    def __init__(self):
        super().__init__()
        self.encoder = ConformerEncoder(
            FEATURES, output_size=256, attention_heads=4, linear_units=1024, num_blocks=6,
            macaron_style=True, use_cnn_module=True, cnn_module_kernel=31, rel_pos_type="latest",
            pos_enc_layer_type="rel_pos", selfattention_layer_type="rel_selfattn",
        )
        self.ctc = CTC(VOCABULARY, 256)

    def forward(self, features, lengths, labels, label_lengths):
        encoded, encoded_lengths, _ = self.encoder(features, lengths)
        return self.ctc(encoded, encoded_lengths, labels, label_lengths)


class Stepper:
    """One model with its optimiser."""

    def __init__(self, model: nn.Module, fused: bool):
        self.model = model.train()
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=fused)

    def step(self, batch) -> tuple[float, float]:
        """Seconds of one training step: wall clock and CPU."""
        start = time.perf_counter(), time.process_time()
        self.optimizer.zero_grad()
        self.model(*batch).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.step()
        return time.perf_counter() - start[0], time.process_time() - start[1]


def make_batch():
    """Random features and labels, full lengths."""
    return (
        torch.randn(BATCH, FRAMES, FEATURES),
        torch.full((BATCH,), FRAMES),
        torch.randint(1, VOCABULARY, (BATCH, LABELS)),
        torch.full((BATCH,), LABELS),
    )


def torch_masked(model: nn.Module, mask: Mask) -> nn.Module:
    """``model`` with the same mask applied by torch.nn.utils.prune."""
    for name in mask:
        module, _, parameter = name.rpartition(".")
        torch_prune.custom_from_mask(model.get_submodule(module), parameter, mask[name])
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=40, help="measured steps per model (default 40)")
    parser.add_argument("--density", type=float, default=0.2, help="density of the mask (default 0.2)")
    parser.add_argument("--threads", type=int, default=1, help="threads (default 1)")
    parser.add_argument("--fused", type=str2bool, default=True, help="fused Adam (default true)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = Model()
    mask = prune(model, Mask.ones(model, find_scope(model)), 1 - args.density)
    ours = copy.deepcopy(model)
    attach(ours, mask)
    steppers = {
        "dense": Stepper(model, args.fused),
        "audio_lottery": Stepper(ours, args.fused),
        "torch.nn.utils.prune": Stepper(torch_masked(copy.deepcopy(model), mask), args.fused),
    }
    batch = make_batch()
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in steppers}
    order = list(steppers)
    for turn in range(args.steps + 2):
        random.Random(turn).shuffle(order)
        for name in order:
            elapsed = steppers[name].step(batch)
            if turn >= 2:  # the first ones allocate
                runs[name].append(elapsed)
    assert not mask.violations(ours)
    result = {"benchmark": "masked_step", "torch": torch.__version__, "threads": args.threads,
              "steps": args.steps, "fused": args.fused, "density": mask.density}
    print(f"{sum(p.numel() for p in model.parameters()):,} weights, {mask.numel:,} in scope, {mask!r}")
    for place, clock in enumerate(("wall", "cpu")):
        seconds = {name: [elapsed[place] for elapsed in runs[name]] for name in runs}
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        ratios = {
            name: statistics.median(a / b for a, b in zip(values, seconds["dense"], strict=True))
            for name, values in seconds.items()
        }
        print(f"\n{clock + ' time':22s} median step    ratio")
        for name in runs:
            print(f"{name:22s} {1000 * medians[name]:8.1f} ms {ratios[name]:8.4f}")
        result |= {f"{clock}_seconds": medians, f"{clock}_ratios_to_dense": ratios}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
