"""Blocks, rows and columns of a tensor's matrix.

Blocks R x C (R outputs, C inputs) as in Gray et al., GPU Kernels for Block-Sparse Weights, 2017, and
Narang et al., Block-Sparse Recurrent Neural Networks, 2017. Where a shape doesn't divide, the last block
of a row or column is smaller. Rows and columns: Wen et al., Learning Structured Sparsity, NIPS 2016; the
rows of a convolution are its output channels, as in Li et al., Pruning Filters, ICLR 2017.
"""

import torch

from audio_lottery.granularity.base import Granularity, Shapes, as_matrix, granularities
from audio_lottery.granularity.groups import Groups, numbered


def block(rows: int, columns: int) -> Granularity:
    """Blocks of ``rows`` outputs by ``columns`` inputs."""

    def bind(shapes: Shapes, network=None) -> Groups:
        return _blocks(shapes, rows, columns)

    return Granularity(f"{rows}x{columns}", bind)


def _blocks(shapes: Shapes, height: int | None, width: int | None) -> Groups:
    parts = {}
    for name, shape in shapes.items():
        rows, columns = as_matrix(shape)
        down, across = height or rows, width or columns
        wide = -(-columns // across)
        parts[name] = (torch.arange(rows) // down * wide, torch.arange(columns) // across, name)
    return numbered(parts)


granularities.register("row")(Granularity("row", lambda shapes, network: _blocks(shapes, 1, None)))
granularities.register("column")(Granularity("column", lambda shapes, network: _blocks(shapes, None, 1)))
