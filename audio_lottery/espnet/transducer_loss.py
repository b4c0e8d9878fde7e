"""The one RNN-T loss of the toolkit: torchaudio's kernel where it is the better one, ours otherwise."""

import functools

import torch

from audio_lottery.espnet.rnnt_loss import rnnt_loss

BACKENDS = ("torch", "torchaudio")


def transducer_loss(
    logits: torch.Tensor,
    targets: torch.Tensor,
    logit_lengths: torch.Tensor,
    target_lengths: torch.Tensor,
    blank: int = 0,
    reduction: str = "mean",
    backend: str = "auto",
) -> torch.Tensor:
    """RNN-T loss; arguments, result and errors as :func:`audio_lottery.espnet.rnnt_loss.rnnt_loss`.

    The backend "auto" takes torchaudio's kernel on a GPU where it works, and the pure-torch loss for all
    else. On a CPU torchaudio's gives the same values, but takes five to ten times as long from some 50
    labels on and is exact to 1e-4 where ours is exact to 1e-6 (``benchmarks/rnnt_loss.py``).
    """
    if backend == "auto":
        backend = "torchaudio" if _torchaudio_suits(logits, logit_lengths, target_lengths) else "torch"
    if backend == "torch":
        return rnnt_loss(logits, targets, logit_lengths, target_lengths, blank, reduction)
    if backend != "torchaudio":
        raise ValueError(f"backend must be auto, {' or '.join(BACKENDS)}, not {backend!r}")
    from torchaudio.functional import rnnt_loss as torchaudio_loss

    nodes = logits.shape[2]
    # The kernel wants int32, contiguous, and ids that are labels in the padding too.
    targets = targets[:, : nodes - 1].clamp(0, logits.shape[3] - 1).int().contiguous()
    return torchaudio_loss(logits.contiguous(), targets, logit_lengths.int(), target_lengths.int(),
                           blank=blank, reduction=reduction)


def _torchaudio_suits(logits, logit_lengths, target_lengths) -> bool:
    """Whether torchaudio's kernel can take this batch and is the better choice."""
    # It computes float16 in float16 and refuses other types, and logits longer than the longest utterance.
    return (logits.device.type == "cuda" and logits.dtype == torch.float32
            and int(logit_lengths.max()) == logits.shape[1]
            and int(target_lengths.max()) == logits.shape[2] - 1
            and torchaudio_works(str(logits.device)))


@functools.cache
def torchaudio_works(device: str) -> bool:
    """Whether torchaudio's kernel exists for this device and gives the right value and gradient."""
    logits = torch.linspace(-1, 1, 24, device=device).reshape(1, 3, 2, 4)
    lattice = (torch.tensor([[2]], device=device), torch.tensor([3], device=device),
               torch.tensor([1], device=device))
    results = []
    for backend in BACKENDS:
        probe = logits.clone().requires_grad_()
        try:
            loss = transducer_loss(probe, *lattice, backend=backend)
            loss.backward()
        except (ImportError, OSError, AttributeError, RuntimeError):  # not installed, or built without it
            return False
        results.append(torch.cat([loss.detach().reshape(1), probe.grad.flatten()]))
    return torch.allclose(*results, rtol=1e-4, atol=1e-5)
