"""A stack of unidirectional LSTM layers, pruned: the engine against torch, onnxruntime and OpenVINO, and against itself
with dense weights.

Times are interleaved medians in milliseconds; the other columns say how many times faster than torch each is.
"sparse" is pruned weight by weight, "16x1" in blocks of 16 outputs x 1 input. The last line is JSON.
"""

import argparse

import numpy as np
import torch
from engine_race import CLOCKS, race, report
from other_engines import others

from audio_lottery.engine import backend
from audio_lottery.engine.weights import state_matrices

BLOCKS = {"dense": 1, "sparse": 1, "16x1": 16}


def stack(net: torch.nn.LSTM, density: float, block: int, threads: int):
    """An engine program of the net with its weights pruned at random, and its input buffer."""
    rng, program = np.random.default_rng(0), backend.new_program(threads)
    first = source = program.buffer(net.input_size)
    for layer in range(net.num_layers):
        pruned = []
        for kind in ("ih", "hh"):
            weights = getattr(net, f"weight_{kind}_l{layer}").detach().numpy()
            mask = np.repeat(rng.random((len(weights) // block, weights.shape[1])) < density, block, 0)
            pruned.append((weights * mask, getattr(net, f"bias_{kind}_l{layer}").detach().numpy()))
        given, (weights, bias) = backend.matrix(*pruned[0]), pruned[1]
        states = state_matrices(weights, bias, program.units(net.hidden_size, 1))
        out = program.buffer(net.hidden_size)
        program.recurrent(source, out, net.hidden_size, [(given, states)])
        source = out
    return program, first


def measure(net: torch.nn.LSTM, density: float, threads: int, args: argparse.Namespace) -> list[dict]:
    """The rows of one density."""
    torch.set_num_threads(threads)
    built = {name: stack(net, 1.0 if name == "dense" else density, block, threads) for name, block in BLOCKS.items()}
    rows = []
    for frames in args.frames:
        x = torch.randn(frames, 1, net.input_size)
        channels_first = np.ascontiguousarray(x[:, 0].numpy().T)
        contestants = {"torch": lambda x=x: net(x)}
        for name, (program, first) in built.items():
            contestants[name] = lambda p=program, b=first, x=channels_first: p.run(b, x)
        with torch.no_grad():
            contestants |= others(net, x, 0, threads)
            times = race(contestants, args.turns, args.clock, threads)
        row = {"units": net.hidden_size, "threads": threads, "frames": frames, "density": density}
        row["torch ms"] = times["torch"] * 1e3
        rows.append(row | {name: times["torch"] / times[name] for name in times if name != "torch"})
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--frames", type=int, nargs="+", default=[16, 100])
    parser.add_argument("--density", type=float, nargs="+", default=[0.2, 0.1, 0.05])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=11)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    args = parser.parse_args()
    torch.manual_seed(0)
    rows = []
    for units in args.units:
        net = torch.nn.LSTM(units, units, args.layers)
        for threads in args.threads:
            rows += [row for density in args.density for row in measure(net, density, threads, args)]
    report(rows, layers=args.layers, clock=args.clock)


if __name__ == "__main__":
    main()
