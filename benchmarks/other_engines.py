"""A torch module in other engines, as functions of no arguments: onnxruntime in fp32 and dynamic int8, OpenVINO.

What is not installed is left out, and said.
"""

import importlib.util
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import torch


def others(module: torch.nn.Module, x: torch.Tensor, free: int, threads: int) -> dict[str, Callable[[], object]]:
    """``module`` over ``x``, whose dimension ``free`` may vary in the exported graph."""
    if importlib.util.find_spec("onnx") is None:
        print("onnx is not installed: no other engines", file=sys.stderr)
        return {}
    found: dict[str, Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        torch.onnx.export(module.eval(), (x,), str(path), input_names=["x"], dynamic_axes={"x": {free: "n"}},
                          opset_version=17, dynamo=False)  # fmt: skip
        if importlib.util.find_spec("onnxruntime"):
            found |= _onnxruntime(path, x, threads)
        else:
            print("onnxruntime is not installed: left out", file=sys.stderr)
        if importlib.util.find_spec("openvino"):
            found["OpenVINO"] = _openvino(path, x, threads)
        else:
            print("openvino is not installed: left out", file=sys.stderr)
    return found


def _onnxruntime(path: Path, x: torch.Tensor, threads: int) -> dict[str, Callable[[], object]]:
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    small = path.with_name("int8.onnx")
    # int8 matrices only: onnxruntime's dynamic convolutions are slower than its fp32 ones
    kinds = ["MatMul", "Gemm", "LSTM"]
    quantize_dynamic(str(path), str(small), weight_type=QuantType.QInt8, op_types_to_quantize=kinds)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    found, inputs = {}, {"x": x.numpy()}
    for name, file in (("ORT fp32", path), ("ORT int8", small)):
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        found[name] = lambda session=session: session.run(None, inputs)
    return found


def _openvino(path: Path, x: torch.Tensor, threads: int) -> Callable[[], object]:
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(core.read_model(str(path)), "CPU",
                                  {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"})  # fmt: skip
    request, inputs = compiled.create_infer_request(), [x.numpy()]
    return lambda: request.infer(inputs)
