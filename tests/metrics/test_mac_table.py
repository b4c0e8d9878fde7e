"""Tables of MACs: parts add up, modules hold every parameter and every product."""

from dataclasses import replace

import torch
from torch import nn

from audio_lottery.mask import Mask
from audio_lottery.metrics import mac_table
from audio_lottery.metrics.macs import count_asr


class Recogniser(nn.Module):
    """Features in, an encoder and an attention-free decoder; no ESPnet."""

    frontend = normalize = preencoder = None

    def __init__(self):
        super().__init__()
        layers = nn.ModuleList([nn.Linear(4, 6), nn.Linear(6, 6)])
        self.encoder = nn.ModuleDict({"layers": layers, "norm": nn.LayerNorm(6)})
        self.encoder.forward = self.encode
        self.ctc = nn.Module()
        self.ctc.ctc_lo = nn.Linear(6, 5)
        self.decoder = nn.Linear(6, 3, bias=False)
        self.decoder.forward = self.decode

    def encode(self, features, lengths):
        x = features
        for layer in self.encoder["layers"]:
            x = layer(x)
        return self.encoder["norm"](x), lengths, None

    def decode(self, encoded, lengths, labels, label_lengths):
        return nn.functional.linear(encoded[:, :1].expand(-1, labels.shape[1], -1), self.decoder.weight)


def counted(seconds=2.0):
    torch.manual_seed(0)
    model = Recogniser()
    mask = Mask({"encoder.layers.0.weight": torch.arange(24).reshape(6, 4) < 6})
    mask.apply_(model)
    return model, mask, count_asr(model, seconds, 16000, tokens=3, feature_size=4)


def test_parts():
    *_, macs = counted()
    rows = mac_table.parts(macs)
    assert (rows["front end"].dense, rows["encoder, weights"].dense) == (0, 200 * (24 + 36))
    assert rows["encoder, weights"].sparse == 200 * (6 + 36)
    assert rows["total"].dense == sum(rows[name].dense for name in (
        "front end", "encoder, weights", "encoder, attention", "output"))
    assert (rows["decoder, a token"].dense, rows["decoder, an utterance"].dense) == (18, 0)


def test_modules():
    model, mask, macs = counted()
    rows = {row.name: row for row in mac_table.modules(model, mask, macs.tensors)}
    assert list(rows) == ["encoder.layers.0", "encoder.layers.1", "encoder.norm", "ctc.ctc_lo", "decoder"]
    first = rows["encoder.layers.0"]
    assert (first.parameters, first.kept, first.density) == (30, 12, 0.4)
    assert (first.dense, first.sparse) == (200 * 24, 200 * 6)
    assert rows["encoder.norm"].parameters == 12 and rows["encoder.norm"].dense == 0
    assert sum(row.parameters for row in rows.values()) == sum(p.numel() for p in model.parameters())
    assert sum(row.dense for row in rows.values()) == macs.dense + 3 * macs.decoder.token.dense


def test_text():
    model, mask, macs = counted()
    longer = counted(10.0)[2]
    lines = mac_table.text([macs, longer], mac_table.modules(model, mask, longer.tensors), ["x"]).splitlines()
    assert "2 s" in lines[1] and "10 s" in lines[1]
    total = next(line for line in lines if line.startswith("total"))
    assert total.split()[1:] == [f"{number / 1e6:,.3f}" for number in (
        macs.dense, macs.sparse, longer.dense, longer.sparse)]
    assert any("at 10 s and 3 tokens" in line for line in lines)
    assert any(line.startswith("encoder.layers.0") and "40.00%" in line for line in lines)
    assert lines[-1].startswith("note: x took part in no product")


def test_what_may_be_missed():
    model, _, macs = counted()
    model.pos_bias_u, model.own = nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.zeros(2, 3))
    macs = replace(macs, uncounted=("pos_bias_u", "own", "einsum ...i,ij->...j"))
    assert mac_table.uncounted(model, macs) == ["own", "einsum ...i,ij->...j"]
