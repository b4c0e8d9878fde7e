"""A whole Conformer encoder (27 M weights, convolutional subsampling included), pruned at random: the engine
against ESPnet's own module on torch, the same exported to onnxruntime (fp32, dynamic int8) and OpenVINO (fp32, bf16),
and against itself with dense weights.

Times are interleaved medians in milliseconds for an utterance of ``frames`` encoder frames (40 ms each); the
other columns say how many times faster than ESPnet on torch each is; what is not installed is left out. "error" is the
largest difference of the encoder's output from torch's. Random masks have the speed of trained ones, not their
accuracy. The last line is JSON.
"""

import argparse

import numpy as np
import torch
from engine_race import CLOCKS, race, report
from other_engines import Graphs

from audio_lottery.engine.recogniser import Recogniser
from audio_lottery.export import ticket_file

CONFIG = {
    "encoder": "conformer",
    "encoder_conf": {
        "output_size": 256, "attention_heads": 4, "linear_units": 1024, "num_blocks": 16, "cnn_module_kernel": 31,
        "macaron_style": True, "use_cnn_module": True, "rel_pos_type": "latest", "input_layer": "conv2d",
        "pos_enc_layer_type": "rel_pos", "selfattention_layer_type": "rel_selfattn", "activation_type": "swish",
    },
    "input_size": 80,
}  # fmt: skip
TOKENS = ["<blank>", *(f"t{n}" for n in range(298)), "<sos/eos>"]


def model(density: float) -> tuple[torch.nn.Module, ticket_file.TicketFile]:
    """ESPnet's encoder with all its matrices pruned at random, and its ticket with a CTC head."""
    from espnet2.asr.encoder.conformer_encoder import ConformerEncoder

    torch.manual_seed(0)
    encoder = ConformerEncoder(80, **CONFIG["encoder_conf"]).eval()
    masks = {}
    for name, weights in encoder.named_parameters():
        if weights.ndim > 1 and "depthwise" not in name and "pos_bias" not in name:
            masks[f"encoder.{name}"] = torch.rand_like(weights) < density
            weights.data = torch.where(masks[f"encoder.{name}"], weights, torch.zeros(()))
    state = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    state |= {"ctc.ctc_lo.weight": torch.randn(len(TOKENS), 256), "ctc.ctc_lo.bias": torch.zeros(len(TOKENS))}
    return encoder, ticket_file.make(state, masks, CONFIG, TOKENS)


class WithoutLengths(torch.nn.Module):
    """The encoder as :mod:`audio_lottery.export.onnx_modules` exports it, without normalisation and CTC."""

    def __init__(self, encoder: torch.nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[1, frames, size] to [1, frames out, channels]."""
        lengths = x.new_ones(x.shape[:2], dtype=torch.long).sum(1)
        return self.encoder(x, lengths, masks=torch.zeros(x.shape[:2], dtype=torch.bool))[0]


def measure(density: float, threads: int, args: argparse.Namespace) -> list[dict]:
    """The rows of one density."""
    torch.set_num_threads(threads)
    encoder, ticket = model(density)
    engines = {
        "dense": Recogniser(ticket, threads=threads, kind="dense"),
        "sparse": Recogniser(ticket, threads=threads),
        "int8": Recogniser(ticket, threads=threads, int8=True),
    }
    graphs = Graphs(WithoutLengths(encoder), torch.randn(1, 403, 80), 1)
    rows = []
    for frames in args.frames:
        x = np.random.default_rng(0).normal(size=(4 * frames + 3, 80)).astype(np.float32)
        batch, length = torch.from_numpy(x)[None], torch.tensor([len(x)])
        contestants = {"torch": lambda b=batch, n=length, e=encoder: e(b, n)}
        contestants |= {name: lambda e=engine, x=x: e.run(x) for name, engine in engines.items()}
        with torch.no_grad():
            contestants |= graphs.contestants(batch, threads)
            times = race(contestants, args.turns, args.clock, threads)
            want = encoder(batch, length)[0][0].numpy()
        row = {"density": density, "threads": threads, "frames": frames, "torch ms": times["torch"] * 1e3}
        row |= {name: times["torch"] / times[name] for name in times if name != "torch"}
        rows.append(row | {"error": float(f"{np.abs(engines['sparse'].encode(x) - want).max():.1e}")})
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[16, 100, 300])
    parser.add_argument("--density", type=float, nargs="+", default=[0.2, 0.1, 0.05])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=11)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    args = parser.parse_args()
    rows = [row for density in args.density for threads in args.threads for row in measure(density, threads, args)]
    report(rows, clock=args.clock)


if __name__ == "__main__":
    main()
