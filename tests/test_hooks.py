"""Masked training keeps pruned weights, their gradients and their optimiser state at exact zero."""

import copy
import io
from itertools import pairwise

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from audio_lottery import ranks
from audio_lottery.errors import LotteryError
from audio_lottery.hooks import attach
from audio_lottery.mask import Mask
from audio_lottery.processes import end
from audio_lottery.scope import find_scope


class Net(nn.Module):
    """A convolution, an LSTM with two directions and a Linear tied to a second one."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 3, padding=1)
        self.lstm = nn.LSTM(6, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.first = nn.Linear(10, 10)
        self.second = nn.Linear(10, 10)
        self.second.weight = self.first.weight

    def forward(self, x):
        x = self.lstm(self.conv(x).transpose(1, 2))[0]
        return self.second(self.first(x).relu())


def make(seed: int = 0) -> tuple[Net, Mask]:
    torch.manual_seed(seed)
    net = Net()
    return net, Mask({name: torch.rand(t.shape) < 0.4 for name, t in find_scope(net).items()})


def loss_of(net: nn.Module, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return net(torch.randn(3, 4, 7, generator=generator)).square().sum()


def pruned_gradients(net: nn.Module, mask: Mask) -> float:
    grads = dict(net.named_parameters())
    return max(float(grads[n].grad[~mask[n]].abs().max()) for n in mask)


OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    "adam_l2": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adam_fused": lambda p: torch.optim.Adam(p, lr=0.01, fused=True),
    "adamw_fused": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1, fused=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.1),
    "radam": lambda p: torch.optim.RAdam(p, lr=0.01),
    "adadelta": lambda p: torch.optim.Adadelta(p),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_pruned_weights_and_moments_stay_zero(name):
    net, mask = make()
    attach(net, mask)
    before = copy.deepcopy(net.state_dict())
    optimizer = OPTIMIZERS[name](net.parameters())
    for step in range(8):
        optimizer.zero_grad()
        for micro in range(2):  # gradient accumulation
            loss_of(net, 10 * step + micro).backward()
        assert pruned_gradients(net, mask) == 0
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        assert mask.violations(net) == {}
    parameters = dict(net.named_parameters())
    for name in mask:
        assert (parameters[name] != before[name])[mask[name]].any()  # it does learn
        for key, value in optimizer.state[parameters[name]].items():
            if torch.is_tensor(value) and value.shape == mask[name].shape:
                assert not value[~mask[name]].any(), key


def test_gradients_and_norm_equal_the_reference():
    net, mask = make()
    reference = copy.deepcopy(net)
    mask.apply_(reference)
    loss_of(reference, 1).backward()
    for name, parameter in reference.named_parameters():
        if name in mask:
            parameter.grad.mul_(mask[name])
    attach(net, mask)
    loss_of(net, 1).backward()
    for (name, ours), theirs in zip(net.named_parameters(), reference.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad), name
    norms = [nn.utils.clip_grad_norm_(model.parameters(), 0.1) for model in (net, reference)]
    assert torch.equal(*norms)


def test_full_mask_changes_nothing():
    net, mask = make()
    reference = copy.deepcopy(net)
    attach(net, Mask.ones(net, mask))
    for model in (net, reference):
        loss_of(model, 1).backward()
    for ours, theirs in zip(net.parameters(), reference.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)


def test_infinite_and_nan_gradients_of_pruned_weights_become_zero():
    net = nn.Linear(4, 1, bias=False)
    attach(net, Mask({"weight": torch.tensor([[True, False, False, True]])}))
    net.weight.grad = torch.tensor([[1.0, float("inf"), float("nan"), -2.0]])
    (net.weight * 0).sum().backward()
    assert net.weight.grad.tolist() == [[1.0, 0.0, 0.0, -2.0]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_float_types(dtype):
    net = nn.Linear(16, 8).to(dtype)
    mask = Mask({"weight": torch.rand(8, 16) < 0.5})
    attach(net, mask)
    (net.weight * torch.randn(8, 16).to(dtype)).sum().backward()
    assert torch.equal(net.weight.grad != 0, mask["weight"])


def test_scaled_mixed_precision_step_is_not_skipped_for_a_pruned_overflow():
    net = nn.Linear(2, 1, bias=False)
    mask = Mask({"weight": torch.tensor([[True, False]])})
    attach(net, mask)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1e4)
    before = net.weight[0, 0].item()
    scaler.scale((net.weight * torch.tensor([[1.0, 1e38]])).sum()).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    assert net.weight[0, 0].item() == pytest.approx(before - 0.1)
    assert net.weight[0, 1].item() == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mixed_precision_with_accumulation(dtype):
    """Autocast, a scaler whose scale overflows at first, two backward passes a step, clipping, Adam."""
    net, mask = make()
    attach(net, mask)
    before = copy.deepcopy(net.state_dict())
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127 if dtype == torch.bfloat16 else 2.0**30, growth_interval=2)
    scales = []
    for step in range(40):
        for micro in range(2):
            with torch.autocast("cpu", dtype=dtype):
                loss = loss_of(net, 10 * step + micro) / 2
            scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        assert pruned_gradients(net, mask) == 0
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
        optimizer.zero_grad()
        assert mask.violations(net) == {}
    assert min(scales) < scales[0]  # it skipped steps
    assert any(later > one for one, later in pairwise(scales))  # and took some
    parameters = dict(net.named_parameters())
    for name in mask:
        assert parameters[name].isfinite().all() and (parameters[name] != before[name])[mask[name]].any()
        for key, value in optimizer.state[parameters[name]].items():
            if torch.is_tensor(value) and value.shape == mask[name].shape:
                assert not value[~mask[name]].any(), key


def test_state_dict_deepcopy_and_pickle_are_untouched():
    net, mask = make()
    names = list(net.state_dict())
    attach(net, mask)
    assert list(net.state_dict()) == names
    copied = copy.deepcopy(net)
    buffer = io.BytesIO()
    torch.save(net, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=False)  # our own bytes: what a user's script may do
    for other in (copied, loaded):
        assert mask.violations(other) == {}
        loss_of(other, 1).backward()
        assert pruned_gradients(other, mask) > 0  # copies are free


def test_remove_and_context_manager():
    net, mask = make()
    with attach(net, mask):
        loss_of(net, 1).backward()
        assert pruned_gradients(net, mask) == 0
    net.zero_grad()
    loss_of(net, 1).backward()
    assert pruned_gradients(net, mask) > 0


def test_frozen_tensors_are_zeroed_without_a_hook():
    net = nn.Linear(3, 3).requires_grad_(False)
    mask = Mask({"weight": torch.eye(3) > 0})
    attach(net, mask).remove()
    assert mask.violations(net) == {}


def test_mask_that_does_not_fit_is_refused_before_any_weight_changes():
    net, mask = make()
    before = copy.deepcopy(net.state_dict())
    wrong = Mask({**mask, "first.weight": torch.ones(2, 3, dtype=torch.bool)})
    with pytest.raises(LotteryError, match=r"first.weight: the mask has shape \[2, 3\] and the model"):
        attach(net, wrong)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def _distributed(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/init", rank=rank, world_size=2)
    net, mask = make()
    attach(net, mask)
    wrapped = DistributedDataParallel(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.1)
    for step in range(3):
        optimizer.zero_grad()
        with wrapped.no_sync():
            loss_of(wrapped, 100 + 10 * step + rank).backward()
        loss_of(wrapped, 10 * step + rank).backward()
        assert pruned_gradients(net, mask) == 0
        torch.save({n: p.grad for n, p in net.named_parameters()}, f"{folder}/{rank}.{step}.pth")
        optimizer.step()
        assert mask.violations(net) == {}
    torch.save(net.state_dict(), f"{folder}/{rank}.pth")
    ranks.leave()
    end(0)


def test_two_ranks_average_masked_gradients(tmp_path):
    mp.spawn(_distributed, (str(tmp_path),), nprocs=2)
    ranks = [torch.load(tmp_path / f"{rank}.pth", weights_only=True) for rank in range(2)]
    assert all(torch.equal(ranks[0][name], ranks[1][name]) for name in ranks[0])
    # The first step's averaged gradient is that of one process that sees all four batches.
    net, mask = make()
    attach(net, mask)
    (sum(loss_of(net, seed) for seed in (0, 1, 100, 101)) / 2).backward()
    averaged = torch.load(tmp_path / "0.0.pth", weights_only=True)
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(averaged[name], parameter.grad)
