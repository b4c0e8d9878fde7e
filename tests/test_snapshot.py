"""Kept weights come back bit for bit."""

import pytest
import torch

from audio_lottery import snapshot
from audio_lottery.errors import LotteryError


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))


def test_every_bit_and_buffer_comes_back(tmp_path):
    one, other = model(), model()
    with torch.no_grad():
        one[0].weight[0, 0], one[0].weight[0, 1] = -0.0, torch.finfo().tiny / 2
        for parameter in other.parameters():
            parameter.fill_(7)
    one(torch.randn(5, 3))  # moves the batch norm's running statistics and its counter
    snapshot.save(tmp_path / "theta0.safetensors", one.state_dict(), {"moment": "0"})
    snapshot.load_into(other, tmp_path / "theta0.safetensors")
    assert snapshot.digests(one.state_dict()) == snapshot.digests(other.state_dict())
    assert torch.signbit(other[0].weight[0, 0])
    assert snapshot.metadata(tmp_path / "theta0.safetensors") == {"moment": "0"}


def test_digests_tell_bits_shapes_and_types_apart():
    zero = torch.zeros(2)
    others = [-zero, torch.zeros(1, 2), torch.zeros(2, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.int32)]
    assert len({snapshot.tensor_digest(tensor) for tensor in (zero, *others)}) == 5


def test_another_architecture_is_refused_by_tensor(tmp_path):
    snapshot.save(tmp_path / "a.safetensors", model().state_dict(), {})
    with pytest.raises(LotteryError, match=r"tensor 0\.weight is \(4, 3\), the model's is \(4, 5\)"):
        snapshot.load_into(torch.nn.Sequential(torch.nn.Linear(5, 4), *list(model())[1:]), tmp_path / "a.safetensors")
    with pytest.raises(LotteryError, match="tensor 1.bias is only in"):
        snapshot.load_into(torch.nn.Sequential(torch.nn.Linear(3, 4)), tmp_path / "a.safetensors")


@pytest.mark.parametrize("size", [0, 5, 40, 200])
def test_truncated_files_are_named(tmp_path, size):
    path = tmp_path / "a.safetensors"
    snapshot.save(path, model().state_dict(), {})
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(LotteryError, match=r"a\.safetensors: damaged"):
        snapshot.load(path)
    with pytest.raises(LotteryError, match=r"b\.safetensors: not found"):
        snapshot.load(tmp_path / "b.safetensors")
