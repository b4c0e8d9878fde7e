"""Count the multiply-accumulates (MACs) that a torch model really makes, weight by weight.

A product of activations with a weight tensor costs (positions x elements) MACs, and with a sparse tensor
(positions x non-zero elements): so sparse counts scale exactly with each tensor's non-zeros. Biases,
norms, activation functions and look-ups (embeddings) are no MACs.
"""

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_CONVOLUTIONS = {torch.conv1d, torch.conv2d, torch.conv3d}
_TRANSPOSED = {torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d}
_PRODUCTS = {torch.matmul, torch.bmm, torch.mm, torch.mv, Tensor.matmul, Tensor.bmm, Tensor.mm, Tensor.mv}
_PRODUCTS |= {Tensor.__matmul__, Tensor.__rmatmul__}
_PRODUCTS_ADDED = {torch.addmm, torch.baddbmm, Tensor.addmm, Tensor.baddbmm}
_RECURRENT = (nn.RNNBase, nn.RNNCellBase)


@dataclass(frozen=True)
class TensorMacs:
    """MACs of one weight tensor: all (dense), and those of its non-zero elements (sparse)."""

    name: str
    numel: int
    nonzero: int
    dense: int
    sparse: int


@dataclass(frozen=True)
class Products:
    """MACs of one run: by weight tensor, and of products of activations (attention's quadratic part).

    ``uncounted`` names matrices of the modules that ran that took part in no known product, and products
    of an unknown form: what is there is either no product (a position bias that is added) or missed.
    """

    tensors: dict[str, TensorMacs]
    activations: int
    uncounted: tuple[str, ...]

    @property
    def weights_dense(self) -> int:
        """MACs with weights, all counted."""
        return sum(tensor.dense for tensor in self.tensors.values())

    @property
    def weights_sparse(self) -> int:
        """MACs with weights that are not zero."""
        return sum(tensor.sparse for tensor in self.tensors.values())

    @property
    def dense(self) -> int:
        """All MACs."""
        return self.weights_dense + self.activations

    @property
    def sparse(self) -> int:
        """All MACs but those with zero weights."""
        return self.weights_sparse + self.activations


def count_products[T](model: nn.Module, run: Callable[[], T]) -> tuple[Products, T]:
    """Count the MACs of ``run()``, a call of parts of ``model``; also gives what it returned.

    Known: linear, convolution (grouped, depthwise, transposed), LSTM, GRU and RNN (layers, directions,
    packed input, cells), matrix products, two-operand einsum, scaled dot product attention. Gradients
    are off during the run; the mode (train or eval) is the caller's.
    """
    counter = _Counter(model)
    with ExitStack() as stack:
        for module in model.modules():
            hook = counter.recurrent if isinstance(module, _RECURRENT) else counter.seen
            stack.callback(module.register_forward_hook(hook).remove)
        stack.enter_context(torch.no_grad())
        stack.enter_context(counter)
        result = run()
    return counter.products(), result


class _Counter(TorchFunctionMode):
    """Sees each function of torch that is called, and recurrent modules by a hook."""

    def __init__(self, model: nn.Module):
        super().__init__()
        # by storage, so that a view of a parameter (a transpose, a slice) is known as its own
        self.names = {_storage(p): name for name, p in model.named_parameters() if p.numel()}
        self.parameters = dict(model.named_parameters())
        self.dense: dict[str, int] = {}
        self.sparse: dict[str, int] = {}
        self.nonzero: dict[tuple, int] = {}
        self.activations = 0
        self.ran: dict[str, None] = {}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func is nn.functional.linear:
            values, weight = _operands(args, kwargs, "input", "weight")
            self.use(weight, values.numel() // weight.shape[-1])
        elif func in _CONVOLUTIONS:
            _, weight = _operands(args, kwargs, "input", "weight")
            self.use(weight, result.numel() // weight.shape[0])
        elif func in _TRANSPOSED:
            values, weight = _operands(args, kwargs, "input", "weight")
            self.use(weight, values.numel() // weight.shape[0])
        elif func in _PRODUCTS and isinstance(result, Tensor):
            left, right = args if len(args) == 2 else (args[0], *kwargs.values())
            inner = right.shape[-1] if func is Tensor.__rmatmul__ else left.shape[-1]
            self.product(left, right, result.numel() * inner)
        elif func in _PRODUCTS_ADDED:
            self.product(args[1], args[2], result.numel() * args[1].shape[-1])
        elif func in (torch.einsum, torch.functional.einsum):
            self.einsum(args)
        elif func is nn.functional.scaled_dot_product_attention:
            query, key, value = _operands(args, kwargs, "query", "key", "value")
            self.activations += query.numel() * key.shape[-2] + result.numel() * value.shape[-2]
        return result

    def use(self, weight: Tensor, positions: int) -> None:
        """Count a weight tensor, or a part of one, used at so many positions."""
        name = self.names.get(_storage(weight))
        if name is None:
            self.activations += positions * weight.numel()
            return
        key = (weight.data_ptr(), weight.shape, weight.stride())
        if key not in self.nonzero:
            self.nonzero[key] = int(torch.count_nonzero(weight))
        self.dense[name] = self.dense.get(name, 0) + positions * weight.numel()
        self.sparse[name] = self.sparse.get(name, 0) + positions * self.nonzero[key]

    def product(self, left: Tensor, right: Tensor, macs: int) -> None:
        """Count a product of two tensors, of which one may be a weight."""
        for tensor in (right, left):
            if tensor.numel() and _storage(tensor) in self.names:
                self.use(tensor, macs // tensor.numel())
                return
        self.activations += macs

    def einsum(self, args: tuple) -> None:
        """Count an einsum of two operands: the product of all its axes."""
        equation, *operands = args
        operands = operands[0] if isinstance(operands[0], (list, tuple)) else operands
        terms = equation.replace(" ", "").split("->")[0].split(",")
        if len(terms) == 2 and "." not in equation:
            sizes = {axis: n for term, op in zip(terms, operands, strict=True)
                     for axis, n in zip(term, op.shape, strict=True)}
            self.product(operands[0], operands[1], math.prod(sizes.values()))
        elif len(terms) > 1:
            self.ran[f"einsum {equation}"] = None

    def recurrent(self, module: nn.Module, inputs: tuple, _output: object) -> None:
        """Forward hook of LSTM, GRU, RNN and their cells."""
        values = inputs[0].data if isinstance(inputs[0], nn.utils.rnn.PackedSequence) else inputs[0]
        for name, weight in module.named_parameters(recurse=False):
            if name.startswith("weight"):
                self.use(weight, values.numel() // module.input_size)
        self.seen(module, inputs, _output)

    def seen(self, module: nn.Module, _inputs: tuple, _output: object) -> None:
        """Forward hook of every module: its own matrices ought to be counted, but for embeddings."""
        if not isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
            weights = (p for p in module.parameters(recurse=False) if p.ndim > 1)
            self.ran |= {self.names[_storage(p)]: None for p in weights if p.numel()}

    def products(self) -> Products:
        """What was counted."""
        tensors = {}
        for name, dense in self.dense.items():
            parameter = self.parameters[name]
            nonzero = int(torch.count_nonzero(parameter))
            tensors[name] = TensorMacs(name, parameter.numel(), nonzero, dense, self.sparse[name])
        return Products(tensors, self.activations, tuple(name for name in self.ran if name not in tensors))


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _operands(args: tuple, kwargs: dict, *names: str) -> list[Tensor]:
    """Operands given by position or by name."""
    return [args[at] if at < len(args) else kwargs[name] for at, name in enumerate(names)]
