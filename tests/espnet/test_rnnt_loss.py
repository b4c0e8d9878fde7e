"""The pure-torch RNN-T loss against brute force, finite differences and torchaudio."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from audio_lottery.espnet import rnnt_loss as module
from audio_lottery.espnet.rnnt_loss import rnnt_loss


def brute_force(logits, target, blank):
    """Loss of one utterance, (T, U+1, V) and (U,): the sum over every alignment, one by one."""
    logp = logits.double().log_softmax(-1)
    frames, labels = logits.shape[0], len(target)
    totals = []
    for emitted in itertools.product(range(labels + 1), repeat=frames):  # labels written at each frame
        if sum(emitted) != labels:
            continue
        total, u = logp.new_zeros(()), 0
        for t, count in enumerate(emitted):
            for _ in range(count):
                total, u = total + logp[t, u, target[u]], u + 1
            total = total + logp[t, u, blank]
        totals.append(total)
    return -torch.logsumexp(torch.stack(totals), 0)


def batch(frames, labels, vocab, seed=0, dtype=torch.float32, blank=0):
    """Logits and targets of utterances of these lengths; junk in the padding."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(frames), max(frames), max(labels) + 1, vocab, generator=generator)
    ids = [i for i in range(vocab) if i != blank]
    targets = torch.tensor(ids)[torch.randint(len(ids), (len(frames), max(labels)), generator=generator)]
    for b, count in enumerate(labels):
        targets[b, count:] = -1
    return logits.to(dtype), targets, torch.tensor(frames), torch.tensor(labels)


def loss_and_grad(function, logits, *args, **kwargs):
    logits = logits.clone().requires_grad_()
    losses = function(logits, *args, **kwargs)
    losses.sum().backward()
    return losses.detach(), logits.grad


lengths = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=3)


@settings(max_examples=40, deadline=None)
@given(sizes=lengths, vocab=st.integers(2, 5), last_is_blank=st.booleans(), seed=st.integers(0, 99))
def test_equals_the_sum_over_all_alignments(sizes, vocab, last_is_blank, seed):
    blank = vocab - 1 if last_is_blank else 0
    frames, labels = zip(*sizes, strict=True)
    logits, targets, t_len, u_len = batch(frames, labels, vocab, seed, torch.float64, blank)
    losses = rnnt_loss(logits, targets, t_len, u_len, blank, "none")
    expected = [brute_force(logits[b, :t, : u + 1], targets[b, :u].tolist(), blank)
                for b, (t, u) in enumerate(sizes)]
    torch.testing.assert_close(losses, torch.stack(expected))


@pytest.mark.parametrize("slice_size", [1, 2**17])
def test_gradient_is_exact(slice_size, monkeypatch):
    monkeypatch.setattr(module, "_SLICE_CPU", slice_size)
    logits, targets, t_len, u_len = batch((4, 3, 1, 2), (2, 3, 0, 1), 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: rnnt_loss(x, targets, t_len, u_len, 0, "none"), logits.requires_grad_())


def test_padding_has_no_influence_and_no_gradient():
    frames, labels = (6, 3, 5), (3, 0, 2)
    logits, targets, t_len, u_len = batch(frames, labels, 7)
    inside = torch.zeros(logits.shape[:3], dtype=torch.bool)
    for b, (t, u) in enumerate(zip(frames, labels, strict=True)):
        inside[b, :t, : u + 1] = True
    expected, _ = loss_and_grad(rnnt_loss, logits, targets, t_len, u_len, 0, "none")
    dirty = logits.masked_fill(~inside.unsqueeze(-1), torch.nan)
    losses, grad = loss_and_grad(rnnt_loss, dirty, targets, t_len, u_len, 0, "none")
    assert torch.equal(losses, expected)
    assert torch.all(grad[~inside] == 0) and torch.all(grad[inside] != 0)


def test_no_labels_at_all_is_the_blank_path():
    logits, targets, t_len, u_len = batch((5, 2), (0, 0), 3)
    expected = -logits.log_softmax(-1)[:, :, 0, 0].cumsum(1)[torch.arange(2), t_len - 1]
    torch.testing.assert_close(rnnt_loss(logits, targets, t_len, u_len, 0, "none"), expected)


class LargeResults(TorchDispatchMode):
    """Counts the operations whose result is new memory of at least `size` elements."""

    def __init__(self, size):
        super().__init__()
        self.size, self.count = size, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.untyped_storage().nbytes() >= 4 * self.size:
            inputs = {a.untyped_storage().data_ptr() for a in args if isinstance(a, torch.Tensor)}
            self.count += result.untyped_storage().data_ptr() not in inputs
        return result


def test_the_gradient_is_the_only_other_tensor_of_the_logits_size(monkeypatch):
    monkeypatch.setattr(module, "_SLICE_CPU", 1000)
    logits, *rest = batch((40, 30), (10, 12), 200)
    logits.requires_grad_()
    with LargeResults(logits.numel() // 2) as large:
        loss = rnnt_loss(logits, *rest)
        assert large.count == 0
        loss.backward()
    assert large.count == 1


def test_memory_beyond_logits_and_gradient_is_of_the_lattice(monkeypatch, repo_root):
    """O(B T U), whatever the vocabulary: measured as the benchmark does."""
    monkeypatch.setattr(module, "_SLICE_CPU", 2**13)
    monkeypatch.syspath_prepend(str(repo_root / "benchmarks"))
    from rnnt_loss import extra_memory

    def bytes_a_node(frames, vocab):
        logits, *rest = batch((frames,) * 4, (20,) * 4, vocab)
        return (extra_memory("torch", logits, *rest) - 1) * vocab * 4  # without the gradient

    small, large, longer = (bytes_a_node(*sizes) for sizes in ((200, 50), (200, 400), (400, 400)))
    assert large < 1.1 * small and longer < 1.1 * large
    assert 4 < small < 100  # a float each at least; a copy of the logits would be 200 and 1600


def test_reductions():
    args = batch((5, 4), (2, 1), 6)
    losses = rnnt_loss(*args, 0, "none")
    torch.testing.assert_close(rnnt_loss(*args), losses.mean())
    torch.testing.assert_close(rnnt_loss(*args, 0, "sum"), losses.sum())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    logits, *rest = batch((40, 33), (12, 9), 30, dtype=dtype)
    losses, grad = loss_and_grad(rnnt_loss, logits, *rest)
    expected, expected_grad = loss_and_grad(rnnt_loss, logits.float(), *rest)
    assert losses.dtype == torch.float32 and grad.dtype == dtype
    assert torch.equal(losses, expected) and torch.equal(grad, expected_grad.to(dtype))


def test_long_utterances_stay_accurate_in_float32():
    logits, *rest = batch((400,), (80,), 20)
    logits = logits * 4
    losses, grad = loss_and_grad(rnnt_loss, logits, *rest)
    expected, expected_grad = loss_and_grad(rnnt_loss, logits.double(), *rest)
    torch.testing.assert_close(losses.double(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(grad.double(), expected_grad, rtol=0, atol=2e-6)


def test_non_contiguous_logits():
    logits, *rest = batch((7, 5), (3, 2), 6)
    expected, expected_grad = loss_and_grad(rnnt_loss, logits, *rest)
    losses, grad = loss_and_grad(rnnt_loss, logits.transpose(1, 2).contiguous().transpose(1, 2), *rest)
    torch.testing.assert_close(losses, expected)
    torch.testing.assert_close(grad, expected_grad)


def test_an_impossible_utterance_has_an_infinite_loss():
    logits, targets, t_len, u_len = batch((3, 3), (1, 1), 4)
    logits[0, :, :, targets[0, 0]] = -torch.inf
    losses, grad = loss_and_grad(rnnt_loss, logits, targets, t_len, u_len, 0, "none")
    assert losses[0] == torch.inf and grad[0].isnan().any()
    assert losses[1].isfinite() and grad[1].isfinite().all()


def test_agrees_with_torchaudio():
    functional = pytest.importorskip("torchaudio.functional")
    logits, targets, t_len, u_len = batch((30, 21, 14), (10, 0, 7), 12)
    targets = targets.clamp(min=0)
    ours = loss_and_grad(rnnt_loss, logits, targets, t_len, u_len, 0, "none")
    theirs = loss_and_grad(functional.rnnt_loss, logits, targets.int(), t_len.int(), u_len.int(),
                           blank=0, reduction="none")
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("change", [
    {"logits": torch.zeros(2, 4, 3)}, {"targets": torch.zeros(2, 1)}, {"logit_lengths": torch.tensor([5, 4])},
    {"logit_lengths": torch.tensor([0, 4])}, {"target_lengths": torch.tensor([2, 3])},
    {"target_lengths": torch.tensor([2])}, {"reduction": "average"},
])
def test_shapes_that_do_not_fit_are_refused(change):
    names = ("logits", "targets", "logit_lengths", "target_lengths")
    arguments = dict(zip(names, batch((4, 3), (2, 1), 5), strict=True)) | change
    with pytest.raises(ValueError):
        rnnt_loss(**arguments)
