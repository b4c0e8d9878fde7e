"""Masks: counts, zeros, nesting, and files that are whole or refused."""

import hashlib

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from torch import nn

from audio_lottery import maskfile
from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask

SHAPES = st.lists(st.lists(st.integers(1, 5), max_size=4), min_size=1, max_size=4)


def bits(text: str) -> torch.Tensor:
    return torch.tensor([c == "1" for c in text])


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 3), nn.LSTM(3, 2, bidirectional=True))


@pytest.fixture
def mask(net) -> Mask:
    generator = torch.Generator().manual_seed(3)
    return Mask({n: torch.rand(p.shape, generator=generator) < 0.5 for n, p in net.named_parameters()
                 if p.dim() == 2})


def test_counts():
    mask = Mask({"a": bits("1100"), "b": bits("111").reshape(3, 1)})
    assert (mask.kept, mask.numel, mask.density) == (5, 7, 5 / 7)
    assert mask.densities == {"a": 0.5, "b": 1.0}
    assert list(mask) == ["a", "b"] and len(mask) == 2
    assert repr(mask) == "Mask(2 tensors, 5 of 7 weights remain)"


def test_ones_takes_names_in_order_and_no_memory(net):
    mask = Mask.ones(net, ["1.weight_hh_l0", "0.weight"])
    assert list(mask) == ["1.weight_hh_l0", "0.weight"]
    assert mask["0.weight"].shape == (3, 5) and mask.kept == mask.numel == 31
    assert mask["0.weight"].untyped_storage().nbytes() == 1


def test_only_bool():
    with pytest.raises(TypeError, match="a: a mask is bool, not torch.float32"):
        Mask({"a": torch.ones(2)})


def test_subset():
    small, large, other = (Mask({"a": bits(text)}) for text in ("1000", "1100", "0110"))
    empty = Mask({"a": bits("0000")})
    assert small.is_subset(large) and not large.is_subset(small) and empty.is_subset(other)


def test_zeros_are_positive_whatever_was_there():
    weights = {"a": torch.tensor([-0.0, float("nan"), float("-inf"), -3.0, 2.0]), "b": torch.ones(2)}
    mask = Mask({"a": bits("00001")})
    assert mask.violations(weights) == {"a": 3}
    mask.apply_(weights)
    assert weights["a"].tolist() == [0, 0, 0, 0, 2] and not weights["a"].signbit().any()
    assert weights["b"].tolist() == [1, 1] and mask.violations(weights) == {}


def test_apply_and_violations_on_a_model(net, mask):
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert set(mask.violations(net)) == set(mask)
    mask.apply_(net)
    assert mask.violations(net) == {} == mask.violations(net.state_dict())
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name] * mask[name] if name in mask else before[name])
    with torch.no_grad():
        net[0].weight[~mask["0.weight"]] = 1e-30
    assert mask.violations(net) == {"0.weight": int((~mask["0.weight"]).sum())}


@pytest.mark.parametrize("method", ["validate", "apply_", "violations"])
def test_mask_that_does_not_fit(net, mask, method):
    wrong = Mask({"0.weight": torch.ones(5, 3, dtype=torch.bool)})
    with pytest.raises(LotteryError, match=r"0.weight: the mask has shape \[5, 3\] and the model \[3, 5\]"):
        getattr(wrong, method)(net)
    with pytest.raises(LotteryError, match="9.weight: in the mask but not in the model"):
        getattr(Mask({"9.weight": bits("1")}), method)(net)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shapes=SHAPES, seed=st.integers(0, 99))
def test_round_trip(tmp_path, shapes, seed):
    generator = torch.Generator().manual_seed(seed)
    mask = Mask({f"layer.{9 - n}": torch.rand(shape, generator=generator) < 0.5
                 for n, shape in enumerate(shapes)})
    path = tmp_path / "mask.safetensors"
    mask.save(path, {"round": "3", "criterion": "magnitude"})
    loaded, metadata = maskfile.read(path)
    assert loaded == mask == Mask.load(path) and list(loaded) == list(mask)
    assert metadata == {"round": "3", "criterion": "magnitude"}
    assert loaded.digest() == mask.digest()


def test_file_is_bit_packed_and_always_the_same(tmp_path):
    mask = Mask({"a": torch.rand(100, 80) < 0.5, "b": bits("10000000010")})
    digests = set()
    for n in range(5):
        mask.save(tmp_path / "m", {str(k): "x" for k in range(n % 2 + 8, 0, -1) if k < 9})
        digests.add(hashlib.sha256((tmp_path / "m").read_bytes()).hexdigest())
    assert len(digests) == 1
    assert load_file(tmp_path / "m")["b"].tolist() == [128, 64]
    assert (tmp_path / "m").stat().st_size < 8000 / 8 + 1000
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_digest_depends_on_names_shapes_and_bits_only():
    base = Mask({"a": bits("1100"), "b": bits("1")})
    assert base.digest() == Mask({"b": bits("1"), "a": bits("1100")}).digest()
    others = [{"a": bits("1010"), "b": bits("1")}, {"a": bits("1100").reshape(2, 2), "b": bits("1")},
              {"c": bits("1100"), "b": bits("1")}, {"a": bits("1100")}]
    assert len({base.digest(), *(Mask(other).digest() for other in others)}) == 5


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_never_gives_another_mask(tmp_path, mask, data):
    path = tmp_path / "mask.safetensors"
    mask.save(path, {"round": "1"})
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        assert maskfile.read(path) == (mask, {"round": "1"})  # e.g. a blank of the header's padding
    except LotteryError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_truncated(tmp_path, mask, data):
    path = tmp_path / "mask.safetensors"
    mask.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(LotteryError, match="damaged mask file"):
        Mask.load(path)


def test_missing_and_foreign_files(tmp_path):
    path = tmp_path / "x.safetensors"
    with pytest.raises(LotteryError, match="x.safetensors: no such mask file"):
        Mask.load(path)
    save_file({"a": torch.ones(3).numpy()}, path)
    with pytest.raises(LotteryError, match="not a mask file of audio_lottery"):
        Mask.load(path)


def rewrite(path, tensors=None, **changes) -> None:
    """Change a file's header and sign it again, as someone who means harm would."""
    import json

    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["audio_lottery"])
    header |= changes
    del header["checksum"]
    header["checksum"] = hashlib.sha256(json.dumps(header).encode()).hexdigest()
    save_file(tensors or load_file(path), path, {"audio_lottery": json.dumps(header)})


@pytest.mark.parametrize("changes, words", [
    ({"version": 2}, "mask format version 2, this release reads 1"),
    ({"kind": "ticket"}, "not a mask file"),
    ({"shapes": {"a": [9]}}, "a has .* for shape"),
    ({"shapes": {"a": [3]}}, "damaged mask file"),
    ({"shapes": {"a": [5]}}, "damaged mask file"),
    ({"shapes": {"a": [-1, -4]}}, "damaged mask file"),
    ({"shapes": {"a": [2**62, 2**62]}}, "damaged mask file"),
    ({"shapes": {"a": 4}}, "damaged mask file"),
    ({"shapes": {"a": ["4"]}}, "damaged mask file"),
    ({"shapes": {"a": [4], "b": [1]}}, "its tensors are not the ones it lists"),
    ({"shapes": []}, "damaged mask file"),
    ({"digest": "0" * 64}, "its bits don't agree with its digest"),
])
def test_forged_headers(tmp_path, changes, words):
    path = tmp_path / "m.safetensors"
    Mask({"a": bits("1101")}).save(path)
    rewrite(path, **changes)
    with pytest.raises(LotteryError, match=words):
        Mask.load(path)


def test_padding_must_be_zero(tmp_path):
    import numpy as np

    path = tmp_path / "m.safetensors"
    Mask({"a": bits("1101")}).save(path)
    rewrite(path, {"a": np.array([0b11010001], np.uint8)})
    with pytest.raises(LotteryError, match="a has bits beyond its 4 weights"):
        Mask.load(path)
