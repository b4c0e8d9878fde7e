"""What ranks agree on, with two and four real gloo processes against one."""

import json

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from audio_lottery import ranks
from audio_lottery.criteria import Calibration, Evidence, criteria
from audio_lottery.errors import LotteryError
from audio_lottery.hooks import attach
from audio_lottery.mask import Mask
from audio_lottery.processes import end

SCORED = ("snip", "grasp", "taylor", "fisher", "wanda")


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.BatchNorm1d(5), nn.Linear(5, 3)).eval()


def mask_of(seed: int) -> Mask:
    generator = torch.Generator().manual_seed(seed)
    return Mask({name: torch.rand(shape, generator=generator) < 0.5
                 for name, shape in (("0.weight", (5, 6)), ("3.weight", (3, 5)))})


def batch(number: int) -> torch.Tensor:
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(number))


def scores(batches: list[int]) -> dict[str, torch.Tensor]:
    net = network(0)
    calibration = Calibration(
        net, lambda: (batch(n) for n in batches), lambda: (one[None] for n in batches for one in batch(n)),
        lambda model, given: model(given).square().mean(), None)
    evidence = Evidence({name: net.get_parameter(name) for name in mask_of(0)}, calibration=calibration)
    return {f"{name} {tensor}": criteria.get(name)(tensor, evidence) for name in SCORED for tensor in mask_of(0)}


def watched(wrapped: nn.Module, handle, numbers: list[int]) -> dict[str, torch.Tensor]:
    """The summed gradient of a step of two backward passes, after one of a step that was skipped."""
    net = getattr(wrapped, "module", wrapped)
    handle.watch(True)
    for step in ((90, 91), numbers):
        net.zero_grad()
        for number in step:
            wrapped(batch(number)).square().sum().backward()
    found = handle.gradient()
    ranks.sum_(found)
    return found


def work(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/init", rank=rank, world_size=world)
    mask = ranks.shared_mask(mask_of(3) if rank == 0 else None)
    net = network(rank)
    net[2].running_mean.fill_(rank)
    ranks.share_weights(net)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    ranks.prove("start", mask=mask.digest(), weights=ranks.weights_digest(net))
    handle = attach(net, mask)
    gradient = watched(DistributedDataParallel(net, gradient_as_bucket_view=True), handle, [rank, 10 + rank])
    shared = scores(list(range(rank, 4, world)))
    said = None
    if rank == world - 1:
        with torch.no_grad():
            net[3].weight[0, 0] += 1e-7
    try:
        ranks.prove("exp/round_01: after epoch 2", weights=ranks.weights_digest(net), mask=mask.digest())
    except LotteryError as error:
        said = str(error)
    torch.save({"mask": dict(mask), "state": state, "gradient": gradient, "scores": shared}, f"{folder}/{rank}.pth")
    with open(f"{folder}/{rank}.json", "w") as stream:
        json.dump(said, stream)
    ranks.leave()
    end(0)


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_agree(tmp_path, world):
    mp.spawn(work, (world, str(tmp_path)), nprocs=world)
    found = [torch.load(tmp_path / f"{rank}.pth", weights_only=True) for rank in range(world)]
    expected = network(0)
    expected[2].running_mean.fill_(0)
    for one in found:
        assert Mask(one["mask"]) == mask_of(3)
        for name, value in expected.state_dict().items():
            assert torch.equal(one["state"][name], value), name
    for what in ("gradient", "scores"):
        assert all(torch.equal(value, one[what][name]) for one in found for name, value in found[0][what].items())
    # One process that sees all batches.
    handle = attach(expected, mask_of(3))
    alone = watched(expected, handle, [*range(world), *range(10, 10 + world)])
    for name, value in alone.items():
        torch.testing.assert_close(found[0]["gradient"][name], value)
        assert value[~mask_of(3)[name]].any()  # of pruned weights, too
    for name, value in scores([0, 1, 2, 3]).items():
        torch.testing.assert_close(found[0]["scores"][name], value, rtol=2e-3 if "grasp" in name else 1e-6, atol=1e-6)
    said = f"exp/round_01: after epoch 2: the weights of rank {world - 1} are not those of rank 0 ({world} ranks)"
    for rank in range(world):
        assert json.loads((tmp_path / f"{rank}.json").read_text()).startswith(said)


def test_one_process_alone():
    mask = mask_of(0)
    assert ranks.is_main() and not ranks.active() and ranks.shared_mask(mask) is mask
    value = {"a": torch.ones(2)}
    ranks.sum_(value)
    ranks.share_weights(network(0))
    ranks.prove("here", weights="no hex: nothing is compared")
    assert value["a"].tolist() == [1, 1]
