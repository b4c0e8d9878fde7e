"""A model as ONNX files that onnxruntime runs: encoder with CTC head, attention decoder or transducer networks.

Sparse storage: what is at least half zeros is stored as an ONNX sparse initializer (values and 64-bit places).
onnxruntime reads these and makes them dense while loading: files become smaller, running does not become faster.
"""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import torch

from audio_lottery.errors import LotteryError
from audio_lottery.export import onnx_modules
from audio_lottery.fileio import atomic_path

OPSET = 17  # onnxruntime 1.12 and later
FRAMES = (77, 150, 64, 201)  # the first is what the graph is traced with, all are compared
TOLERANCE = 1e-3  # of the largest output; float32 in another order of summing gives 1e-6
HALF = 0.5  # a place and a value take three times the bytes of a value


def require() -> None:
    """LotteryError where the packages are missing."""
    for name in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(name) is None:
            raise LotteryError(f"ONNX export needs the package {name}: pip install 'audio-lottery[onnx]'")


def export(model: torch.nn.Module, features: int, folder: Path, sparse: bool = False) -> dict[str, dict]:
    """Write the graphs of an ESPnet model that takes ``features`` features a frame.

    Returns, for each file, its inputs, outputs, bytes and largest difference from torch (of :data:`FRAMES`).

    Raises:
        LotteryError: a part that cannot be exported, or whose graph computes something else.
    """
    require()
    with torch.no_grad():
        encoder = onnx_modules.Encoder(model).eval()
        parts = {"encoder.onnx": (encoder, ["features"], ["encoded", "log_probs"][: 1 + (encoder.ctc is not None)],
                                  [(torch.randn(1, frames, features),) for frames in FRAMES])}  # fmt: skip
        parts |= _heads(model, encoder(torch.randn(1, FRAMES[0], features)))
        return {name: _write(folder / name, *part, sparse) for name, part in parts.items()}


def _heads(model: torch.nn.Module, encoded) -> dict[str, tuple]:
    encoded = encoded[0] if isinstance(encoded, tuple) else encoded
    decoder = getattr(model, "decoder", None)
    if hasattr(model, "joint_network") and hasattr(decoder, "embed"):
        return _transducer(model, encoded.shape[-1])
    if hasattr(decoder, "forward_one_step") and getattr(model, "ctc_weight", 0.0) != 1.0:
        examples = [(encoded, torch.tensor([[1] * n])) for n in (4, 1, 9)]
        return {"decoder.onnx": (onnx_modules.Decoder(model), ["encoded", "tokens"], ["log_probs"], examples)}
    return {}


def _transducer(model: torch.nn.Module, channels: int) -> dict[str, tuple]:
    decoder = model.decoder
    layers = len(getattr(decoder, "rnn", ()))
    states = [f"state{i}" for i in range(0 if layers == 0 else 2 if decoder.dtype == "lstm" else 1)]
    size = decoder.output_size
    tokens = [(torch.tensor([[k]]), *(torch.randn(layers, 1, size) for _ in states)) for k in (1, 0)]
    outputs = ["output", *(f"{state}_out" for state in states)]
    frames = [(torch.randn(1, channels), torch.randn(1, size)) for _ in range(2)]
    return {
        "prediction.onnx": (onnx_modules.Prediction(model), ["token", *states], outputs, tokens),
        "joint.onnx": (onnx_modules.Joint(model), ["frame", "prediction"], ["log_probs"], frames),
    }


def _write(path: Path, module: torch.nn.Module, inputs: list[str], outputs: list[str], examples: list[tuple],
           sparse: bool) -> dict:
    free = {"features": {1: "frames"}, "encoded": {1: "frames_out"}, "tokens": {1: "length"}}
    if "features" in inputs:
        free["log_probs"] = {1: "frames_out"}
    path.parent.mkdir(parents=True, exist_ok=True)
    module.eval()  # torch's exporter puts a module back into the mode it was in, with all it holds
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning for every Python branch the tracer meets
        try:
            torch.onnx.export(module, examples[0], str(temporary), input_names=inputs, output_names=outputs,
                              dynamic_axes={name: axes for name, axes in free.items() if name in (*inputs, *outputs)},
                              opset_version=OPSET, dynamo=False)  # fmt: skip
        except Exception as error:  # torch raises many kinds for what it cannot trace
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise LotteryError(f"{path.name}: torch cannot export this part ({reason}): decode with ESPnet") from None
        if sparse:
            store_sparse(temporary)
        error = _difference(temporary, path.name, module, inputs, examples)
        size = temporary.stat().st_size
    return {"inputs": inputs, "outputs": outputs, "bytes": size, "difference": error}


def _difference(path: Path, name: str, module: torch.nn.Module, inputs: list[str], examples: list[tuple]) -> float:
    """The largest difference of onnxruntime's outputs from torch's, over the largest output."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        worst = 0.0
        for example in examples:
            want = module(*example)
            got = session.run(None, {key: x.numpy() for key, x in zip(inputs, example, strict=True)})
            for ours, theirs in zip(got, want if isinstance(want, tuple) else (want,), strict=True):
                if ours.shape != tuple(theirs.shape):
                    raise ValueError(f"shape {ours.shape} instead of {tuple(theirs.shape)}")
                worst = max(worst, float(np.abs(ours - theirs.numpy()).max() / max(1.0, float(theirs.abs().max()))))
    except Exception as error:  # onnxruntime has an exception for every kind of trouble
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise LotteryError(f"{name}: onnxruntime cannot run this part ({reason}): decode it with ESPnet") from None
    if worst > TOLERANCE:
        raise LotteryError(f"{name}: onnxruntime's output is {worst:.2g} away from torch's: decode it with ESPnet")
    return worst


def store_sparse(path: Path) -> None:
    """Rewrite an ONNX file with its mostly-zero weights as sparse initializers."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(path))
    graph, kept = model.graph, []
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        places = np.flatnonzero(array)
        if array.dtype != np.float32 or array.ndim < 2 or len(places) > HALF * array.size:
            kept.append(tensor)
            continue
        values = numpy_helper.from_array(array.reshape(-1)[places], tensor.name)
        where = numpy_helper.from_array(places.astype(np.int64), f"{tensor.name}_places")
        graph.sparse_initializer.append(helper.make_sparse_tensor(values, where, list(array.shape)))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.save(model, str(path))
