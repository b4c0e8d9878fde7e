"""Tickets as files: bit for bit in fp32, within the stated bounds otherwise, small."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from audio_lottery.errors import LotteryError
from audio_lottery.export import container, summary, ticket_file
from audio_lottery.export.arrays import STORAGE, to_torch

CONFIG = {"encoder": "conformer", "encoder_conf": {"output_size": 8}, "ctc_weight": 1.0, "text": "größe"}
TOKENS = ["<blank>", "<unk>", "a", "▁b", "<sos/eos>"]


def round_trip(ticket, mode="fp32"):
    reader = container.Reader(container.build(ticket_file.to_sections(ticket, mode), level=3))
    return reader, ticket_file.from_reader(reader)


def test_every_dtype_bit_for_bit():
    state = {}
    for dtype in STORAGE:
        kind = getattr(torch, dtype)
        size = torch.empty(0, dtype=kind).element_size()
        raw = torch.randint(0, 2 if dtype == "bool" else 256, (5, 7 * size), dtype=torch.uint8)
        state[dtype] = raw.view(kind)
    state["scalar"] = torch.tensor(7)
    state["empty"] = torch.zeros(0, 3)
    state["strided"] = torch.arange(12.0).reshape(3, 4).T
    _, read = round_trip(ticket_file.make(state, {}, CONFIG, TOKENS))
    back = to_torch(read.tensors)
    assert list(back) == list(state)
    for name, tensor in state.items():
        assert back[name].dtype == tensor.dtype and back[name].shape == tensor.shape
        assert (
            back[name]
            .contiguous()
            .reshape(-1)
            .view(torch.uint8)
            .equal(tensor.contiguous().reshape(-1).view(torch.uint8))
        ), name


floats = st.floats(width=32, allow_nan=True, allow_infinity=True)


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6), elements=floats), st.data()
)
def test_fp32_is_bit_for_bit_under_any_mask(weights, data):
    mask = data.draw(hnp.arrays(bool, weights.shape))
    negative = data.draw(st.booleans())
    weights = np.where(mask, weights, np.float32(-0.0 if negative else 0.0))
    ticket = ticket_file.make({"w": weights, "n": np.int64([3])}, {"w": mask}, CONFIG, TOKENS)
    _, read = round_trip(ticket)
    assert read.tensors["w"].data.tobytes() == weights.tobytes()
    assert (read.masks["w"] == mask).all() and read.masks["w"].shape == mask.shape
    assert read.tensors["n"].data.tobytes() == np.int64([3]).tobytes()


def test_nan_payloads_and_negative_zeros_survive():
    bits = np.array([[0x7FC00001, 0xFF800001, 0x80000000, 0], [1, 0x80000001, 0x80000000, 0x3F800000]], "<u4")
    mask = (bits & 0x7FFFFFFF) != 0
    mask[0, 2] = True  # a kept weight may be -0 too
    _, read = round_trip(ticket_file.make({"w": bits.view("<f4")}, {"w": mask}, CONFIG, TOKENS))
    assert (read.tensors["w"].data.view("<u4") == bits).all()


@pytest.mark.parametrize("mode", ["fp16", "int8"])
@settings(deadline=None, max_examples=60)
@given(
    weights=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=st.floats(-100, 100, width=32)
    )
)
def test_rounding_stays_within_the_stated_bounds(mode, weights):
    mask = weights != 0
    ticket = ticket_file.make({"w": weights}, {"w": mask}, CONFIG, TOKENS)
    reader, read = round_trip(ticket, mode)
    back = read.tensors["w"].data
    assert (read.masks["w"] == mask).all() and (back[~mask] == 0).all()
    summary.compare(reader, read, {"w": weights})
    if mode == "fp16" and np.isfinite(back).all():
        assert (np.abs(back - weights) <= 2.0**-11 * np.abs(weights) + 2.0**-25).all()
    if "w" in read.codes:
        codes, scales = read.codes["w"]
        assert (codes * scales[:, None] == back).all()
        assert (np.abs(back - weights) <= 0.5001 * scales[:, None]).all()


def test_statistics_and_mel_filters_are_never_rounded():
    rng = np.random.default_rng(0)
    state = {name: rng.random((90, 80)).astype(np.float32) for name in ("frontend.logmel.melmat", "normalize.std", "w")}
    for mode in ("fp16", "int8"):
        _, read = round_trip(ticket_file.make(state, {}, CONFIG, TOKENS), mode)
        same = {name: read.tensors[name].data.tobytes() == value.tobytes() for name, value in state.items()}
        assert same == {"frontend.logmel.melmat": True, "normalize.std": True, "w": False}


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e6])
def test_what_cannot_be_rounded_stays_exact(value):
    weights = np.full((64, 80), value, np.float32)
    reader, read = round_trip(ticket_file.make({"w": weights}, {}, CONFIG, TOKENS), "fp16")
    assert read.tensors["w"].data.tobytes() == weights.tobytes()


def test_small_unpruned_tensors_stay_exact():
    state = {
        "norm": np.float32([0.1, 0.2, 0.3]),
        "big": np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32),
    }
    _, read = round_trip(ticket_file.make(state, {}, CONFIG, TOKENS), "int8")
    assert read.tensors["norm"].data.tobytes() == state["norm"].tobytes()
    assert list(read.codes) == ["big"]


def test_everything_else_comes_back(tmp_path):
    statistics = {
        "count": np.array(12, np.int64),
        "sum": np.float32([0.1, 1e-30]),
        "sum_square": np.float64([3, 0.1]),
    }
    ticket = ticket_file.make(
        {"w": torch.ones(2)},
        {},
        CONFIG,
        TOKENS,
        tokenizer=b"\0model",
        statistics=statistics,
        provenance={"round": 3},
    )
    ticket_file.write(tmp_path / "a.ticket", ticket)
    read = ticket_file.read(tmp_path / "a.ticket")
    assert (read.config, read.tokens, read.tokenizer, read.provenance) == (
        CONFIG,
        TOKENS,
        b"\0model",
        {"round": 3},
    )
    for name, array in statistics.items():
        assert read.statistics[name].dtype == array.dtype and (read.statistics[name] == array).all()


@pytest.mark.parametrize(
    "state, mask, words",
    [
        (
            {"w": torch.ones(2, 2)},
            {"w": torch.zeros(2, 2, dtype=torch.bool)},
            "w: 4 pruned weights are not zero",
        ),
        ({"w": torch.ones(2, 2)}, {"w": torch.ones(2, 3, dtype=torch.bool)}, "w: mask .* does not fit"),
        (
            {"w": torch.ones(2, 2)},
            {"v": torch.ones(2, 2, dtype=torch.bool)},
            "v: in the mask but not in the model",
        ),
        ({"w": "text"}, {}, "w: str is not a tensor"),
    ],
)
def test_what_cannot_be_packed(state, mask, words):
    with pytest.raises(LotteryError, match=words):
        ticket_file.make(state, mask, CONFIG, TOKENS)


def test_a_config_that_is_not_json():
    ticket = ticket_file.make({}, {}, {"a": float("nan")}, TOKENS)
    with pytest.raises(LotteryError, match="config: not JSON"):
        ticket_file.to_sections(ticket, "fp32")


def test_sizes_of_30_million_parameters_at_90_percent():
    rng = np.random.default_rng(0)
    shapes = [*[(1024, 256), (256, 1024)] * 2, *[(256, 256)] * 4, (512, 256), (256, 256)] * 20
    state, masks = {}, {}
    for i, shape in enumerate(shapes):
        weights = rng.standard_t(6, shape).astype(np.float32) * np.float32(0.04)
        masks[f"{i}.weight"] = np.abs(weights) > np.quantile(np.abs(weights), 0.9)
        state[f"{i}.weight"] = weights * masks[f"{i}.weight"]
        state[f"{i}.bias"] = rng.normal(size=shape[0]).astype(np.float32)
    state = {name: np.where(array == 0, np.float32(0), array) for name, array in state.items()}
    ticket = ticket_file.make(state, masks, CONFIG, TOKENS)
    size = sum(array.nbytes for array in state.values())
    assert size > 4 * 29e6
    units = sum(mask.size for mask in masks.values())
    entropy = -units * (0.1 * np.log2(0.1) + 0.9 * np.log2(0.9)) / 8
    for mode, least in (("fp16", 14), ("int8", 22)):
        data = container.build(ticket_file.to_sections(ticket, mode))
        assert size / len(data) >= least
        assert container.Reader(data).sections["mask"].stored < 1.05 * entropy
