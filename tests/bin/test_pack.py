"""pack, info, verify and unpack over a round's folder, as a user calls them."""

import json

import numpy as np
import pytest
import torch
import yaml

from audio_lottery.bin import cli, info, pack, transcribe, unpack, verify
from audio_lottery.export.ticket_file import open_reader
from audio_lottery.mask import Mask

TOKENS = ["<blank>", "<unk>", "zero", "one", "<sos/eos>"]


@pytest.fixture
def exp(tmp_path):
    """EXP with a pruned round_01: what a search leaves behind, with a small state dict."""
    torch.manual_seed(0)
    folder = tmp_path / "exp" / "tag" / "round_01"
    folder.mkdir(parents=True)
    mask = torch.rand(64, 80) < 0.1
    state = {"encoder.w": torch.randn(64, 80) * mask, "norm.bias": torch.randn(64), "n": torch.tensor(3)}
    state |= {"norm.running_mean": torch.zeros(64), "frontend.logmel.melmat": torch.zeros(129, 40)}
    torch.save(state, folder / "valid.loss.ave_2best.pth")
    (folder / "valid.loss.ave.pth").symlink_to("valid.loss.ave_2best.pth")
    Mask({"encoder.w": mask}).save(folder.parent / "masks" / "round_01.safetensors")
    np.savez(tmp_path / "feats_stats.npz", count=7, sum=np.float32([1]), sum_square=np.float32([2]))
    (tmp_path / "bpe.model").write_bytes(b"sentences")
    config = {
        "token_list": TOKENS,
        "encoder": "conformer",
        "version": "202611",
        "bpemodel": str(tmp_path / "bpe.model"),
        "normalize": "global_mvn",
        "normalize_conf": {"stats_file": str(tmp_path / "feats_stats.npz")},
        "output_dir": str(folder),
        "train_shape_file": ["/home/someone/x"],
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def call(module, *argv):
    return cli.main(module, [str(arg) for arg in argv])


def test_there_and_back(exp, tmp_path, capsys):
    ticket = tmp_path / "a.ticket"
    assert call(pack, exp, ticket, "--values", "fp32") == 0
    assert call(verify, ticket, "--model", exp / "valid.loss.ave.pth") == 0
    assert "bit for bit" in capsys.readouterr().out
    assert call(unpack, ticket, tmp_path / "out") == 0
    before = torch.load(exp / "valid.loss.ave.pth", weights_only=True)
    after = torch.load(tmp_path / "out" / "model.pth", weights_only=True)
    assert list(after) == list(before)
    assert all(after[n].numpy().tobytes() == before[n].numpy().tobytes() for n in before)
    assert Mask.load(tmp_path / "out" / "mask.safetensors") == Mask.load(
        exp.parent / "masks" / "round_01.safetensors"
    )
    config = yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())
    assert config["token_list"] == TOKENS and "output_dir" not in config
    assert (tmp_path / "out" / "bpe.model").read_bytes() == b"sentences"
    with np.load(config["normalize_conf"]["stats_file"]) as stats:
        assert stats["count"] == 7 and stats["sum"].dtype == np.float32
    assert "someone" not in ticket.read_bytes().decode("latin-1")


def test_info_counts(exp, tmp_path, capsys):
    kept = int(torch.count_nonzero(torch.load(exp / "valid.loss.ave.pth", weights_only=True)["encoder.w"]))
    call(pack, exp, tmp_path / "a.ticket", "--values", "int8")
    capsys.readouterr()
    assert call(info, tmp_path / "a.ticket", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["weights_kept"] == kept and report["weights_scope"] == 64 * 80
    assert report["weights"] == 64 * 80 + 65  # parameters: without statistics and mel filters
    assert report["density_whole"] == pytest.approx((kept + 65) / (64 * 80 + 65))
    assert report["encodings"] == {"int8": 1, "exact": 4}
    assert call(verify, tmp_path / "a.ticket", "--model", exp / "valid.loss.ave.pth") == 0


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda exp: (exp.parent / "masks" / "round_01.safetensors").unlink(), "no mask for this round"),
        (lambda exp: (exp / "config.yaml").write_text("a: 1"), "no token_list"),
        (lambda exp: (exp / "valid.acc.ave.pth").write_bytes(b"x"), "2 averaged models"),
        (lambda exp: (exp / "valid.loss.ave_2best.pth").write_bytes(b"x"), "not a model of tensors only"),
    ],
)
def test_bad_folders(exp, tmp_path, capsys, damage, words):
    damage(exp)
    assert call(pack, exp, tmp_path / "a.ticket") == 1
    out = capsys.readouterr().err
    assert words in out and out.count("\n") == 1
    assert not (tmp_path / "a.ticket").exists()


def test_bad_tickets(exp, tmp_path, capsys):
    (tmp_path / "a.ticket").write_bytes(b"nothing")
    for module, *argv in (
        (info, tmp_path / "a.ticket"),
        (verify, tmp_path / "none.ticket"),
        (unpack, tmp_path / "a.ticket", tmp_path / "new"),
        (unpack, tmp_path / "a.ticket", exp),
    ):
        assert call(module, *argv) == 1
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("module", [info, verify, unpack, transcribe])
def test_damage_names_the_section(exp, tmp_path, capsys, module):
    call(pack, exp, tmp_path / "a.ticket")
    data = (tmp_path / "a.ticket").read_bytes()
    more = {unpack: [tmp_path / "new"], transcribe: [tmp_path / "a.wav"]}.get(module, [])
    capsys.readouterr()
    for section in open_reader(tmp_path / "a.ticket").sections.values():
        if section.stored:
            at = section.offset + section.stored // 2
            (tmp_path / "a.ticket").write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
            assert call(module, tmp_path / "a.ticket", *more) == 1
            err = capsys.readouterr().err
            assert f"section {section.name}: wrong checksum" in err and err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_another_model_is_noticed(exp, tmp_path, capsys):
    call(pack, exp, tmp_path / "a.ticket", "--values", "fp16")
    state = torch.load(exp / "valid.loss.ave.pth", weights_only=True)
    state["norm.bias"][3] += 1e-6
    torch.save(state, tmp_path / "other.pth")
    assert call(verify, tmp_path / "a.ticket", "--model", tmp_path / "other.pth") == 1
    assert "norm.bias differs" in capsys.readouterr().err
