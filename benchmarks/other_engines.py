"""A torch module in other engines: onnxruntime in fp32 and dynamic int8, OpenVINO in fp32 and, where the processor has
instructions for it, bf16.

All start from one ONNX file with dense weights. What computes in fp32 must give torch's output before it may race. What
is not installed is left out, and said.
"""

import importlib.util
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

Contestants = dict[str, Callable[[], object]]


def others(module: torch.nn.Module, x: torch.Tensor, free: int, threads: int) -> Contestants:
    """``module`` over ``x``, whose dimension ``free`` may vary in the exported graph, as functions of no arguments."""
    return Graphs(module, x, free).contestants(x, threads)


class Graphs:
    """A module as ONNX, exported once, for several lengths and numbers of threads."""

    def __init__(self, module: torch.nn.Module, x: torch.Tensor, free: int):
        self._module, self._made = module.eval(), importlib.util.find_spec("onnx") is not None
        if not self._made:
            print("onnx is not installed: no other engines", file=sys.stderr)
            return
        self._folder = tempfile.TemporaryDirectory()
        self._fp32 = Path(self._folder.name, "fp32.onnx")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(module, (x,), str(self._fp32), input_names=["x"], dynamic_axes={"x": {free: "n"}},
                              opset_version=17, dynamo=False)  # fmt: skip

    def contestants(self, x: torch.Tensor, threads: int) -> Contestants:
        """Each engine over ``x``; the names say in what precision it computes."""
        found: Contestants = {}
        for name, add in (("onnxruntime", self._onnxruntime), ("openvino", self._openvino)) if self._made else ():
            if importlib.util.find_spec(name):
                found |= add(x, threads)
            else:
                print(f"{name} is not installed: left out", file=sys.stderr)
        with torch.no_grad():
            want = self._module(x)
        want = (want if isinstance(want, torch.Tensor) else want[0]).numpy()
        for name, run in found.items():
            wrong = np.abs(run()[0] - want).max() / np.abs(want).max()
            if name.endswith("fp32") and not wrong < 1e-3:
                raise ValueError(f"{name} differs from torch by {wrong:.1e} of the largest output")
        return found

    def _onnxruntime(self, x: torch.Tensor, threads: int) -> Contestants:
        import onnxruntime
        from onnxruntime.quantization import QuantType, quantize_dynamic

        int8 = self._fp32.with_name("int8.onnx")
        if not int8.exists():
            logging.disable(logging.WARNING)  # advice of the quantiser
            # int8 matrices only: onnxruntime's dynamic convolutions are slower than its fp32 ones
            kinds = ["MatMul", "Gemm", "LSTM"]
            quantize_dynamic(str(self._fp32), str(int8), weight_type=QuantType.QInt8, op_types_to_quantize=kinds)
            logging.disable(logging.NOTSET)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        found, inputs = {}, {"x": x.numpy()}
        for name, file in (("ORT fp32", self._fp32), ("ORT int8", int8)):
            session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
            found[name] = lambda session=session: session.run(None, inputs)
        return found

    def _openvino(self, x: torch.Tensor, threads: int) -> Contestants:
        import openvino

        core, found, inputs = openvino.Core(), {}, [x.numpy()]
        model = core.read_model(str(self._fp32))
        model.reshape(list(x.shape))  # it is told the length, which is to its advantage
        # Left to itself it takes bf16 where the processor has it, for a model in fp32.
        kinds = {"OpenVINO fp32": "f32"}
        if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            kinds["OpenVINO bf16"] = "bf16"
        for name, kind in kinds.items():
            # Without pinning: it would tie the thread that calls, everybody's, to a core.
            compiled = core.compile_model(model, "CPU", {
                "INFERENCE_PRECISION_HINT": kind, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
                "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False})  # fmt: skip
            used = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
            if used != kind:
                raise ValueError(f"OpenVINO computes in {used}, not in {kind}")
            request = compiled.create_infer_request()
            found[name] = lambda request=request: request.infer(inputs)
        return found
