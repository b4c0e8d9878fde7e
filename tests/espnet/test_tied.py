"""Tensors that a model uses twice, and modules that the scope doesn't know, through a whole search in ESPnet."""

import json

import pytest
import torch
import yaml
from espnet2.asr.decoder.transformer_decoder import TransformerDecoder
from espnet2.asr.encoder.transformer_encoder import TransformerEncoder
from espnet2.tasks.asr import decoder_choices, encoder_choices

from audio_lottery.bin import check, cli, find
from audio_lottery.espnet.models import load_state
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask


class Mixing(torch.nn.Module):
    """A module that nobody has heard of."""

    def __init__(self, size: int):
        super().__init__()
        self.table = torch.nn.Parameter(torch.eye(size))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs @ self.table


class TiedEncoder(TransformerEncoder):
    """Both blocks have one feed-forward module; an unknown module comes first."""

    def __init__(self, input_size: int, **kwargs):
        super().__init__(input_size, **kwargs)
        self.encoders[1].feed_forward = self.encoders[0].feed_forward
        self.mixing = Mixing(input_size)

    def forward(self, xs_pad, ilens, prev_states=None, ctc=None):
        return super().forward(self.mixing(xs_pad), ilens)


class TiedDecoder(TransformerDecoder):
    """The output layer's matrix is that of the token embedding."""

    def __init__(self, vocab_size: int, encoder_output_size: int, **kwargs):
        super().__init__(vocab_size, encoder_output_size, **kwargs)
        self.output_layer.weight = self.embed[0].weight


@pytest.fixture
def searched(recipe, tmp_path, monkeypatch, caplog):
    """The search's folder and what it warned of."""
    monkeypatch.setitem(encoder_choices.classes, "tied", TiedEncoder)
    monkeypatch.setitem(decoder_choices.classes, "tied", TiedDecoder)
    config = yaml.safe_load(recipe.config.read_text()) | {
        "encoder": "tied", "encoder_conf": {"output_size": 16, "attention_heads": 2, "linear_units": 24,
                                            "num_blocks": 2, "input_layer": "conv2d"},
        "decoder": "tied", "decoder_conf": {"attention_heads": 2, "linear_units": 24, "num_blocks": 1},
        "model_conf": {"ctc_weight": 0.3}, "max_epoch": 2}
    path = tmp_path / "tied.yaml"
    path.write_text(yaml.safe_dump(config))
    assert cli.main(find, recipe.search(tmp_path / "exp", config=path)) == 0
    return Layout(tmp_path / "exp"), caplog.text


def test_a_tied_tensor_is_pruned_once_under_all_its_names(searched, capsys):
    layout, said = searched
    mask = Mask.load(layout.mask(2))
    shared = [name for name in mask if ".feed_forward." in name and name.startswith("encoder")]
    assert shared and all(name.startswith("encoder.encoders.0.") for name in shared)
    assert not [name for name in mask if "output_layer" in name or "embed.0" in name and "decoder" in name]
    for path in (layout.round(2) / "valid.loss.ave.pth", layout.round(2) / "latest.pth"):
        state = load_state(path)
        for name in shared:
            assert torch.equal(state[name], state[name.replace("encoders.0", "encoders.1")])
            assert not state[name][~mask[name]].any()
        assert torch.equal(state["decoder.embed.0.weight"], state["decoder.output_layer.weight"])
    tied = json.loads((layout.round(2) / "start.json").read_text())["tied"]
    assert tied["decoder.output_layer.weight"] == "decoder.embed.0.weight"
    names = json.loads((layout.round(2) / "start.json").read_text())["parameters"]
    row = Ledger(layout.ledger).get(2)
    assert row["numel_whole"] == sum(state[name].numel() for name in names) and not set(tied) & set(names)
    assert row["kept_scope"] == mask.kept == round(mask.numel * 0.36)
    assert cli.main(check, [str(layout.folder)]) == 0, capsys.readouterr().err
    assert "encoder.mixing.table [20, 20] stays dense: it is of a module that the scope does not know" in said
