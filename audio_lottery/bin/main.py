"""Find, train, score and ship winning tickets of speech recognisers: ``audio-lottery NAME ...``."""

import difflib
import importlib
import sys
from collections.abc import Sequence

from audio_lottery import __version__
from audio_lottery.bin import cli

# In the order of a recipe's stages. The help lines stand here and not in the modules, so that --help
# imports none of them.
COMMANDS = {
    "prepare": "make a corpus folder: data/{train,dev,test}",
    "mix_noise": "write a noisy copy of a data folder, at an SNR in dB",
    "subset": "cut a data folder down to the utterances of some speakers",
    "validate": "check data folders before anything is computed from them",
    "format": "convert a data folder's audio to one rate and format",
    "fbank": "compute a set's filterbanks once, to train from",
    "tokens": "make the token list, and the SentencePiece model where one is needed",
    "ngram": "estimate an n-gram language model over a recipe's tokens",
    "stats": "collect the feature statistics that training normalises with",
    "find": "search a winning ticket: dense training, then rounds of pruning, rewinding, training",
    "train": "train one ticket: a mask and the initial weights it belongs to",
    "prune": "make a mask from a trained model",
    "show": "print what is in scope, with shares, or what a mask keeps",
    "macs": "count multiply-accumulates for several lengths of audio, dense and sparse",
    "decode": "decode test sets with the rounds of a search",
    "tune_lm": "choose the weight of a language model on a dev set",
    "score": "score decoded sets: word errors, confidence intervals, significance",
    "table": "print the table of a search, and write its report",
    "report": "write the report of a search: one HTML page, with PNG and SVG files",
    "compare": "compare methods over seeds: WER by density, paired tests, cost of the search",
    "grid": "run an experiment grid: methods, seeds, backbones, corpora; collect one table",
    "keep": "keep a finished search, without models, as evidence for RESULTS.md",
    "results": "write RESULTS.md from the kept searches, each claim of the paper judged",
    "noise_table": "print WER by density and SNR of searches trained with and without noise",
    "overlap": "compare tickets: weights in common against chance, sign changes",
    "layers": "show where tickets keep their weights: density by layer and round",
    "connectivity": "score the line between two trained tickets: linear mode connectivity",
    "shrink": "remove empty heads, channels and layers: a smaller dense ESPnet model",
    "check": "verify the invariants of a search's folder",
    "asr_inference": "ESPnet's command, knowing the encoders of this toolkit",
    "asr_transducer_inference": "the same for RNN transducers",
    "pack": "write a round as one small ticket file",
    "unpack": "unpack a ticket file into a folder that ESPnet loads",
    "info": "show what a ticket file holds",
    "verify": "verify a ticket file, also against the model it was made from",
    "parity": "compare the engine with ESPnet on a set: texts, encoder outputs, WER of fp32, fp16, int8",
    "export_onnx": "write a round or a ticket file as ONNX, for onnxruntime",
    "export": "export a round: ticket files and ONNX, with sizes and errors",
    "share": "make a folder for a model hub: ESPnet model, ticket file, model card",
    "transcribe": "recognise audio with a ticket file alone: no torch, no ESPnet",
}


def usage() -> str:
    """The text of ``audio-lottery --help``."""
    names = "".join(f"  {name:<26}{text}\n" for name, text in COMMANDS.items())
    return (
        f"usage: audio-lottery NAME ... | audio-lottery NAME --help | audio-lottery --version\n\n"
        f"{(__doc__ or '').split(':')[0]}.\n\ncommands:\n{names}"
    )


def main(argv: Sequence[str]) -> int:
    """Run the command that ``argv`` names; return its exit status."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage(), end="", file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 1
    name, *rest = argv
    if name == "--version":
        print(f"audio-lottery {__version__}")
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f": did you mean {near[0]!r}?" if near else ""
        print(f"audio-lottery: error: no command {name!r}{hint} (see audio-lottery --help)", file=sys.stderr)
        return 1
    module = importlib.import_module(f"audio_lottery.bin.{name}")
    return cli.main(module, rest, prog=f"audio-lottery {name}")


def entry() -> None:
    """The console script ``audio-lottery``."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    entry()
