"""Operations on every instruction set, with one and two threads, against torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from audio_lottery.engine import program as program_module
from audio_lottery.engine.backend import matrix, new_program
from audio_lottery.engine.weights import state_matrices

FRAMES = [1, 2, 5, 16, 31, 64, 100, 257]


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def check(build, channels, reference, frames=FRAMES, threads=(1, 2), atol=2e-5):
    """``build(program, source)`` gives the output buffer; ``reference`` takes x [channels, frames]."""
    for count in threads:
        program = new_program(count)
        source = program.buffer(channels)
        out = build(program, source)
        for n in frames:
            x = noise(channels, n)
            program.run(source, x.numpy())
            want = reference(x).numpy()
            got = program.read(out)
            assert got.shape == want.shape and np.abs(got - want).max() < atol, (n, count)


@pytest.mark.parametrize(
    "kind, function",
    [("relu", F.relu), ("swish", F.silu), ("tanh", torch.tanh), ("sigmoid", torch.sigmoid), ("gelu", F.gelu),
     ("relu20", lambda x: x.clamp(0, 20))],
)
def test_activations(backend, kind, function):
    def build(program, source):
        program.affine(source, source, np.full(5, 6.0), np.linspace(-1, 1, 5))
        program.activate(source, kind)
        return source

    check(build, 5, lambda x: function(6 * x + torch.linspace(-1, 1, 5)[:, None]), threads=(1,))


def test_activations_at_the_ends_of_the_range(backend):
    x = torch.tensor([[-1e30, -200.0, -88, -87, -20, -1e-30, 0, 1e-30, 20, 87, 88, 200, 1e30]])
    for kind, function in (("swish", F.silu), ("sigmoid", torch.sigmoid), ("tanh", torch.tanh), ("gelu", F.gelu)):
        program = new_program()
        buffer = program.buffer(1)
        program.activate(buffer, kind)
        program.run(buffer, x.numpy())
        assert np.allclose(program.read(buffer), function(x), rtol=1e-6, atol=1e-6), kind


def test_layer_norm(backend):
    norm = torch.nn.LayerNorm(37, eps=1e-12)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)

    def build(program, source):
        out = program.buffer(37)
        program.affine(source, source, np.ones(37), np.full(37, 100.0))  # a mean far from 0 must not cost accuracy
        program.layer_norm(source, out, norm.weight.detach().numpy(), norm.bias.detach().numpy(), norm.eps)
        return out

    check(build, 37, lambda x: norm((x + 100.0).T).T.detach(), atol=2e-4)


def test_glu_add_and_positions(backend):
    def build(program, source):
        out = program.buffer(6)
        program.glu(source, out)
        program.add(out, out, 0.5)
        program.positions(out)
        return out

    def reference(x):
        position = torch.arange(x.shape[1])[:, None] * torch.exp(torch.arange(0, 6, 2) * -(np.log(10000.0) / 6))
        table = torch.stack([position.sin(), position.cos()], 2).reshape(-1, 6).T
        return 1.5 * F.glu(x, 0) + table

    check(build, 12, reference)


def test_views(backend):
    """Parts of a buffer are read and written like buffers."""

    def build(program, source):
        both, out = program.buffer(10), program.buffer(5)
        first, second = program.view(both, 0, 5), program.view(both, 5, 5)
        program.linear(source, second, matrix(np.eye(5, dtype=np.float32)))
        program.affine(second, first, np.full(5, 2.0), np.zeros(5))
        program.multiply(second, first)
        program.add(first, second)
        program.depthwise(second, out, np.ones((5, 1), np.float32), np.zeros(5))
        return both

    check(build, 5, lambda x: torch.cat([2 * x * x, x + 2 * x * x]))


@pytest.mark.parametrize("taps", [1, 3, 15, 31])
@pytest.mark.parametrize("causal", [False, True])
def test_depthwise(backend, taps, causal):
    weight, bias = noise(20, 1, taps), noise(20)
    pad = (taps - 1, 0) if causal else (taps // 2, taps // 2)

    def build(program, source):
        out = program.buffer(20)
        program.depthwise(source, out, weight[:, 0].numpy(), bias.numpy(), causal)
        return out

    check(build, 20, lambda x: F.conv1d(F.pad(x, pad)[None], weight, bias, groups=20)[0])


def test_attention(backend):
    def build(program, source):
        q, k, v, out = (program.buffer(24) for _ in range(4))
        for i, buffer in enumerate((q, k, v)):
            program.linear(source, buffer, matrix(np.roll(np.eye(24, dtype=np.float32), i, 0)))
        program.attention(q, k, v, out, 2)
        return out

    def reference(x):
        q, k, v = (torch.roll(x, i, 0).reshape(2, 12, -1).transpose(1, 2) for i in range(3))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(24, -1)

    check(build, 24, reference)


def test_relative_attention(backend):
    heads, dk = 3, 20
    size = heads * dk
    weights, u, w = noise(size, size) / 8, noise(heads, dk), noise(heads, dk)

    def build(program, source):
        out = program.buffer(size)
        relative = (matrix(weights.numpy()), u.numpy(), w.numpy())
        program.attention(source, source, source, out, heads, relative)
        return out

    def reference(x):
        n = x.shape[1]
        distance = torch.arange(n)[:, None] - torch.arange(n)
        angle = distance[..., None] * torch.exp(torch.arange(0, size, 2) * -(np.log(10000.0) / size))
        table = torch.stack([angle.sin(), angle.cos()], -1).reshape(n, n, size) @ weights.T
        table = table.reshape(n, n, heads, dk).permute(2, 0, 1, 3)
        q = x.reshape(heads, dk, n).transpose(1, 2)
        scores = (q + u[:, None]) @ q.transpose(1, 2) + ((q + w[:, None])[:, :, None] * table).sum(-1)
        return (torch.softmax(scores / dk**0.5, -1) @ q).transpose(1, 2).reshape(size, n)

    check(build, size, reference, frames=[1, 3, 17, 64, 130], atol=5e-5)


@pytest.mark.parametrize(
    "kernel, stride, pad",
    [((3, 3), (2, 2), (0, 0)), ((5, 3), (3, 2), (0, 1)), ((3, 5), (1, 3), (1, 2)), ((1, 3), (1, 1), (0, 1))],
)
def test_conv(backend, kernel, stride, pad):
    weight, bias = noise(6, 4, *kernel), noise(6)
    weight = weight * (noise(6, 4, *kernel) > 0)

    def build(program, source):
        columns = weight.permute(0, 2, 1, 3).reshape(6, -1)
        return program.conv(source, matrix(columns.numpy(), bias.numpy()), 4, kernel, stride, pad)

    def reference(x):
        y = F.conv2d(x.reshape(1, 9, 4, -1).transpose(1, 2), weight, bias, stride, pad)[0]
        return y.transpose(0, 1).reshape(-1, y.shape[-1])

    check(build, 36, reference, frames=[5, 6, 7, 64, 100, 333, 40, 5])


def in_parts(program, size, directions, state, bias=None):
    """State weights [gates * size, size] of one direction as the program wants them."""
    return state_matrices(state, np.zeros(len(state)) if bias is None else bias, program.units(size, directions))


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("size", [5, 16, 37, 215])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_recurrent(backend, kind, size, bidirectional):
    torch.manual_seed(0)
    net = (torch.nn.LSTM if kind == "lstm" else torch.nn.GRU)(11, size, bidirectional=bidirectional)
    for weights in net.parameters():
        weights.data *= torch.rand_like(weights) < 0.4

    def build(program, source):
        cells = []
        for suffix in ["l0", "l0_reverse"][: 1 + bidirectional]:
            given, state, b, c = (getattr(net, f"{name}_{suffix}").detach().numpy()
                                  for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))  # fmt: skip
            cells.append((matrix(given, b), in_parts(program, size, 1 + bidirectional, state, c)))
        out = program.buffer(size * len(cells))
        program.recurrent(source, out, size, cells, kind == "gru")
        return out

    check(build, 11, lambda x: net(x.T[:, None])[0][:, 0].T.detach(), frames=[1, 2, 17, 64, 9], threads=(1, 2, 3, 7))


@pytest.mark.parametrize("size, threads, directions, wanted", [
    (1024, 1, 1, [1024]), (1024, 2, 1, [512, 512]), (1024, 2, 2, [1024]), (1024, 5, 2, [512, 512]),
    (215, 3, 1, [80, 80, 55]), (144, 2, 1, [80, 64]), (127, 2, 1, [127]), (9, 4, 1, [9]), (320, 64, 1, [64] * 5),
])  # fmt: skip
def test_units_are_shared(engine, size, threads, directions, wanted):
    """In whole cache lines, nobody without any, and not where a thread would have too few."""
    parts = program_module.Program(threads).units(size, directions)
    assert [part.stop - part.start for part in parts] == wanted
    assert parts[0].start == 0 and parts[-1].stop == size


def test_more_threads_than_processors_still_meet(engine):
    """Threads wait for each other after every frame; these have to take turns."""
    size, x = 512, np.random.default_rng(0).normal(size=(7, 50)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=(4 * size, 7)).astype(np.float32)
    state = np.random.default_rng(2).normal(size=(4 * size, size)).astype(np.float32) / 30
    outputs = []
    for threads in (1, 8):
        program = program_module.Program(threads)
        source, out = program.buffer(7), program.buffer(size)
        program.recurrent(source, out, size, [(matrix(weights), in_parts(program, size, 1, state))])
        program.run(source, x)
        outputs.append(program.read(out))
    assert np.abs(outputs[0] - outputs[1]).max() < 1e-4


def test_max_pool_and_subsample(backend):
    def build(program, source):
        return program.max_pool(source, 3)

    def reference(x):
        y = F.max_pool2d(x.reshape(5, 3, -1).transpose(0, 1)[None], 2, 2, ceil_mode=True)[0]
        return y.transpose(0, 1).reshape(9, -1)

    check(build, 15, reference, frames=[1, 2, 3, 64, 65])

    def every_second(program, source):
        out = program.buffer(15)
        program.subsample(source, out, 2)
        return out

    check(every_second, 15, lambda x: x[:, ::2], frames=[1, 2, 3, 64])


@pytest.mark.parametrize("kind, threads", [("lstm", 1), ("lstm", 2), ("gru", 1), ("gru", 2), ("depthwise", 1)])
def test_piece_by_piece_is_as_the_whole(backend, kind, threads):
    """What a program with ``left`` keeps from run to run; attention: test_stream.py."""
    rng, size = np.random.default_rng(0), 9 if threads == 1 else 137
    x = rng.normal(size=(7, 60)).astype(np.float32)
    gates = (3 if kind == "gru" else 4) * size
    given, state = rng.normal(size=(gates, 7)), rng.normal(size=(gates, size)) / size**0.5
    weight = rng.normal(size=(7, 5)).astype(np.float32)

    def build(left):
        program = new_program(threads, left)
        source = program.buffer(7)
        out = program.buffer(7 if kind == "depthwise" else size)
        if kind == "depthwise":
            program.depthwise(source, out, weight, np.zeros(7), causal=True)
        else:
            program.recurrent(source, out, size, [(matrix(given), in_parts(program, size, 1, state))], kind == "gru")
        return program, source, out

    program, source, out = build(None)
    program.run(source, x)
    want = program.read(out).copy()
    program, source, out = build(0)
    for _ in range(2):
        program.reset()
        pieces = []
        for first, last in ((0, 1), (1, 4), (4, 24), (24, 60)):
            program.run(source, x[:, first:last])
            pieces.append(program.read(out).copy())
        assert np.abs(np.hstack(pieces) - want).max() < 1e-5


def test_what_does_not_fit(engine):
    program = program_module.Program()
    a, b = program.buffer(3), program.buffer(4)
    with pytest.raises(ValueError):
        program.add(a, b)
    with pytest.raises(ValueError):
        program.run(a, np.ones((4, 2), np.float32))
    with pytest.raises(ValueError):
        program.view(a, 2, 2)
    with pytest.raises(ValueError):
        program.view(program.view(b, 0, 2), 0, 1)
