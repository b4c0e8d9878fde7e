"""The RNN-Transducer loss in pure torch: any device, any float type, exact gradient.

The loss is that of Graves, "Sequence Transduction with Recurrent Neural Networks" (2012), eq. 12 to 20.
A lattice node (t, u) means "t frames read, u labels written"; its blank arc leads to (t+1, u), its label
arc to (t, u+1). The nodes with t + u = d (a diagonal) depend only on the diagonal before, so each
recursion takes T + U steps of two vector operations, over the whole batch. The backward recursion is the
forward one on the lattice turned by 180 degrees, so both run in the same steps, as one batch of 2 B.

The vocabulary axis is only touched in slices of a bounded number of elements, so beyond the logits and
their gradient the memory is O(B (T + U) U), and padding costs no time.
"""

import torch
from torch.autograd.function import once_differentiable

# Elements of the logits handled at once: small enough for a core's cache, large enough for a GPU.
_SLICE_CPU, _SLICE_GPU = 2**17, 2**25


def rnnt_loss(
    logits: torch.Tensor,
    targets: torch.Tensor,
    logit_lengths: torch.Tensor,
    target_lengths: torch.Tensor,
    blank: int = 0,
    reduction: str = "mean",
) -> torch.Tensor:
    """Negative log-likelihood of the targets, summed over all alignments.

    Args:
        logits: joint network output before the softmax, (B, T, U+1, V); float16 and bfloat16 are computed
            in float32, and the gradient comes back in the type of the logits.
        targets: label ids, (B, U), padded with anything beyond an utterance's length.
        logit_lengths: frames of each utterance, (B,), from 1 to T.
        target_lengths: labels of each utterance, (B,), from 0 to U.
        blank: id of the blank label.
        reduction: "none" (B,), "mean" (over utterances) or "sum".

    Returns:
        The loss in nats, float32 (float64 for float64 logits). An utterance that the logits make
        impossible (-inf) has an infinite loss and a gradient that is not a number, as with CTC.

    Raises:
        ValueError: shapes or lengths that do not fit together.
    """
    _check(logits, targets, logit_lengths, target_lengths, reduction)
    frames, labels = logit_lengths.tolist(), target_lengths.tolist()
    losses = _RNNTLoss.apply(logits, targets.long(), frames, labels, blank)
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def _check(logits, targets, logit_lengths, target_lengths, reduction) -> None:
    if logits.dim() != 4 or 0 in logits.shape:
        raise ValueError(f"logits must be a non-empty (B, T, U+1, V), not {tuple(logits.shape)}")
    batch, frames, nodes, _ = logits.shape
    if targets.dim() != 2 or targets.shape[0] != batch or targets.shape[1] < nodes - 1:
        raise ValueError(f"targets {tuple(targets.shape)} do not fit logits {tuple(logits.shape)}")
    for name, lengths, low, high in (("logit_lengths", logit_lengths, 1, frames),
                                     ("target_lengths", target_lengths, 0, nodes - 1)):
        if lengths.shape != (batch,) or int(lengths.min()) < low or int(lengths.max()) > high:
            raise ValueError(f"{name} must be {batch} numbers from {low} to {high}, not {lengths.tolist()}")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction must be none, mean or sum, not {reduction!r}")


class _RNNTLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits, targets, frames, labels, blank):
        lattice = _Lattice(logits, frames, labels)
        for b, rows in _slices(logits, frames, labels):
            logp = torch.log_softmax(logits[b, rows, : labels[b] + 1], -1, dtype=lattice.dtype_in)
            lattice.blank[b, rows, : labels[b] + 1] = logp[..., blank]
            lattice.label[b, rows, : labels[b]] = _pick(logp, targets[b], labels[b])
        log_likelihood = lattice.run()
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(logits, targets, *lattice.posteriors(log_likelihood))
            ctx.frames, ctx.labels, ctx.blank_id = frames, labels, blank
        return -log_likelihood.to(lattice.dtype_in)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_loss):
        logits, targets, blank, label = ctx.saved_tensors
        # d loss / d logits = P(visit node) softmax - P(take blank arc) - P(take label arc)
        grad = torch.zeros_like(logits, memory_format=torch.contiguous_format)
        for b, rows in _slices(logits, ctx.frames, ctx.labels):
            nodes = ctx.labels[b] + 1
            part = torch.softmax(logits[b, rows, :nodes], -1, dtype=blank.dtype)
            p_blank, p_label = blank[b, rows, :nodes] * grad_loss[b], label[b, rows, :nodes] * grad_loss[b]
            part.mul_((p_blank + p_label).unsqueeze(-1))
            part[..., ctx.blank_id] -= p_blank
            index = targets[b, : nodes - 1].expand(part.shape[0], -1).unsqueeze(-1)
            part[:, : nodes - 1].scatter_add_(-1, index, -p_label[:, : nodes - 1].unsqueeze(-1))
            grad[b, rows, :nodes] = part
        return grad, None, None, None, None


def _slices(logits, frames, labels):
    """Yield (utterance, slice of its frames), each of a bounded number of logits."""
    limit = _SLICE_CPU if logits.device.type == "cpu" else _SLICE_GPU
    for b, (length, count) in enumerate(zip(frames, labels, strict=True)):
        step = max(1, limit // ((count + 1) * logits.shape[3]))
        for start in range(0, length, step):
            yield b, slice(start, min(start + step, length))


def _pick(logp, target, count):
    """Log-probability of label u at node (t, u): (rows, count) of (rows, count+1, V)."""
    index = target[:count].expand(logp.shape[0], -1).unsqueeze(-1)
    return logp[:, :count].gather(-1, index).squeeze(-1)


class _Lattice:
    """Arc weights and both recursions of a batch of lattices."""

    def __init__(self, logits, frames, labels):
        batch, time, nodes, _ = logits.shape
        self.frames, self.labels = frames, labels
        self.dtype_in = torch.float64 if logits.dtype == torch.float64 else torch.float32
        # Sums of thousands of log-probabilities lose three digits in float32: a few percent of a gradient.
        self.dtype = self.dtype_in if logits.device.type == "mps" else torch.float64
        self.blank = logits.new_zeros((batch, time, nodes), dtype=self.dtype_in)
        self.label = torch.zeros_like(self.blank)

    def run(self) -> torch.Tensor:
        """Run both recursions over the diagonals; return the log-likelihoods (B,)."""
        batch, time, nodes = self.blank.shape
        # arcs[d, 0] enter the nodes of diagonal d from (t, u-1), arcs[d, 1] from (t-1, u). Scores have one
        # column in front, so that "the score at u-1" is a view of the same memory one element earlier.
        arcs = self.blank.new_full((time + nodes - 1, 2, 2, batch, nodes), -torch.inf, dtype=self.dtype)
        scores = self.blank.new_full((time + nodes - 1, 2, batch, nodes + 1), -torch.inf, dtype=self.dtype)
        scores[0, 0, :, 1] = 0
        for b, (length, count) in enumerate(zip(self.frames, self.labels, strict=True)):
            blank, label = self.blank[b, :length, : count + 1], self.label[b, :length, :count]
            scores[0, 1, b, 1] = blank[-1, -1]  # the last arc, a blank, leaves the lattice
            for side in range(2):
                _unskewed(arcs[:, 0, side, b], length, count + 1)[:, 1:] = label
                _unskewed(arcs[:, 1, side, b], length, count + 1)[1:] = blank[:-1] if side == 0 else blank[1:]
                blank, label = blank.flip(0, 1), label.flip(0, 1)
        self.scores = scores[..., 1:]
        strides = scores.stride()
        before = scores.as_strided(arcs.shape, (strides[0], 1, *strides[1:]))
        steps = (before[:-1].unbind(0), arcs[1:].unbind(0), self.scores[1:].unbind(0))
        for previous, arc, score in zip(*steps, strict=True):
            torch.add(previous, arc, out=arc)
            torch.logaddexp(arc[0], arc[1], out=score)
        return torch.stack([self.scores[t + u - 1, 1, b, u]
                            for b, (t, u) in enumerate(zip(self.frames, self.labels, strict=True))])

    def posteriors(self, log_likelihood: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Turn the arc weights, in place, into the probabilities that an alignment takes the arcs."""
        for b, (length, count) in enumerate(zip(self.frames, self.labels, strict=True)):
            alpha = _unskewed(self.scores[:, 0, b], length, count + 1) - log_likelihood[b]
            beta = _unskewed(self.scores[:, 1, b], length, count + 1).flip(0, 1)
            blank, label = self.blank[b, :length, : count + 1], self.label[b, :length, :count]
            blank[:-1] = (alpha[:-1] + blank[:-1] + beta[1:]).exp_()
            blank[-1] = 0
            blank[-1, -1] = log_likelihood[b] - log_likelihood[b] + 1  # 1, or nan where no path exists
            label.copy_((alpha[:, :-1] + label + beta[:, 1:]).exp_())
        return self.blank, self.label


def _unskewed(diagonals, length, nodes):
    """View of (D, U+1) diagonals as a (length, nodes) lattice: element (t, u) lies at [t+u, u]."""
    step, unit = diagonals.stride()
    return diagonals.as_strided((length, nodes), (step, step + unit), diagonals.storage_offset())
