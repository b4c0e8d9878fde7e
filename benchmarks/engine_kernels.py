"""One linear layer, pruned: the engine's kernels against torch dense, torch CSR, onnxruntime (fp32 and dynamic int8),
OpenVINO and the engine's own dense kernel.

Times are interleaved medians in microseconds for ``frames`` frames; the other columns say how many times
faster than torch dense each is. int8 weights are pruned in blocks of 1 x 4, 4x1, 8x1 and 16x1 in blocks of that size;
torch CSR is pruned like the sparse one. What is not installed is left out. The last line is JSON.
"""

import argparse
import warnings

import numpy as np
import torch
from engine_race import CLOCKS, race, report
from other_engines import others

from audio_lottery.engine import native


def pruned(rng: np.random.Generator, rows: int, cols: int, density: float, block: tuple[int, int]) -> np.ndarray:
    """Random weights, pruned at random in blocks."""
    mask = rng.random((rows // block[0], cols // block[1])) < density
    return (rng.normal(size=(rows, cols)) * np.kron(mask, np.ones(block))).astype(np.float32)


def measure(rows: int, cols: int, frames: int, density: float, threads: int, args: argparse.Namespace) -> dict:
    """One row of the table."""
    torch.set_num_threads(threads)
    pool = native.Pool(threads) if threads > 1 else None
    rng = np.random.default_rng(0)
    x = rng.normal(size=(cols, frames)).astype(np.float32)
    source, out = native.channels_first(x), native.aligned((rows, native.pad(frames)))
    layer = torch.nn.Linear(cols, rows)
    frames_first = torch.from_numpy(np.ascontiguousarray(x.T))
    csr = torch.from_numpy(pruned(rng, rows, cols, density, (1, 1))).to_sparse_csr()
    contestants = {"torch": lambda: layer(frames_first), "torch CSR": lambda: csr @ frames_first.T}
    for name, kind, block in (
        ("dense", "dense", (1, 1)),
        ("sparse", "sparse", (1, 1)),
        ("4x1", "4x1", (4, 1)),
        ("8x1", "8x1", (8, 1)),
        ("16x1", "16x1", (16, 1)),
        ("int8", "int8", (1, 4)),
        ("auto", "auto", (1, 1)),
    ):
        weights = pruned(rng, rows, cols, 1.0 if kind == "dense" else density, block)
        matrix = native.Matrix(weights, np.zeros(rows, np.float32), kind)
        contestants[name] = lambda matrix=matrix: matrix.run(source, out, frames, pool)
    with torch.no_grad():
        contestants |= others(layer, frames_first, 0, threads)
        times = race(contestants, args.turns, args.clock, threads)
    row = {"layer": f"{rows}x{cols}", "threads": threads, "frames": frames, "density": density}
    row["torch us"] = times["torch"] * 1e6
    return row | {name: times["torch"] / times[name] for name in times if name != "torch"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[16, 100, 300])
    parser.add_argument("--density", type=float, nargs="+", default=[1.0, 0.5, 0.2, 0.1, 0.05])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=31)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", message="Sparse CSR")
    rows = [
        measure(*shape, frames, density, threads, args)
        for shape in ((1024, 256), (256, 1024), (256, 256))
        for threads in args.threads
        for frames in args.frames
        for density in args.density
    ]
    report(rows, clock=args.clock)


if __name__ == "__main__":
    main()
