"""Every training configuration in conf/ builds its model; the small ones run a step."""

from pathlib import Path

import pytest
import torch
import yaml

from audio_lottery.export.ticket_file import BUFFERS
from audio_lottery.scope import UNKNOWN, classify, find_scope

CONF = Path(__file__).parents[2] / "conf"
DIGITS = "zero one two three four five six seven eight nine".split()
TOKENS = ["<blank>", "<unk>", *DIGITS, "<sos/eos>"]
SMALL = sorted(CONF.glob("train_asr_*.yaml"))
# Parameters in millions, small and full-size, so that a change of size is seen.
SIZES = {"conformer": (0.38, 109), "ds2": (1.3, 86.3), "ebranchformer": (1.0, 141), "transducer_conformer": (1.15, 116),
         "transducer_lstm": (1.5, 98.9), "transformer": (1.1, 70.4), "vgg_lstm": (2.0, 107)}


def build(path):
    from espnet2.tasks.asr import ASRTask

    import audio_lottery.espnet.ds2_encoder  # noqa: F401
    from audio_lottery.espnet.transducer_task import ASRTransducerTask

    task = ASRTransducerTask if "transducer" in path.stem else ASRTask
    args = task.get_parser().parse_args(["--config", str(path), "--output_dir", "x"])
    args.token_list = TOKENS
    return task.build_model(args)


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_small_configurations_train(path):
    torch.manual_seed(0)
    model = build(path)
    lengths = torch.tensor([8000, 5000])
    text = torch.tensor([[2, 3, 3, 11], [5, -1, -1, -1]])
    loss, stats, weight = model(torch.randn(2, 8000), lengths, text, torch.tensor([4, 1]))
    loss.backward()
    assert loss.isfinite() and loss > 0 and weight == 2
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    hybrid = "transformer" in path.stem or "hybrid" in path.stem
    assert (stats.get("loss_att") is not None) == hybrid


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_every_weight_is_known(path):
    with torch.device("meta"):
        model = build(path)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    assert {name for name in model.state_dict() if not BUFFERS.search(name)} == set(parameters)
    kinds = classify(model)
    assert UNKNOWN not in kinds.values()
    shares = [tensor.numel for tensor in find_scope(model).values()]
    assert sum(shares) > 0.97 * sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("folder", [CONF, CONF / "full"], ids=["small", "full"])
@pytest.mark.parametrize("name", SIZES)
def test_sizes(name, folder):
    with torch.device("meta"):
        count = sum(p.numel() for p in build(folder / f"train_asr_{name}.yaml").parameters())
    assert count / 1e6 == pytest.approx(SIZES[name][folder != CONF], rel=0.05)


@pytest.mark.parametrize("name", ["ds2", "vgg_lstm", "transducer_lstm"])
def test_recurrent_models_are_trained_as_in_the_paper(name):
    """5 x 1024, 16 epochs, batch 32, AdamW of 3e-4 divided by 1.1 after each epoch, weight decay 1e-5, SpecAugment."""
    config = yaml.safe_load((CONF / f"full/train_asr_{name}.yaml").read_text())
    body = (config["encoder_conf"].get("body_conf") or [config["encoder_conf"]])[0]
    assert (body["num_layers"], body["hidden_size"], body["bidirectional"], body["rnn_type"]) == (5, 1024, True, "lstm")
    assert (config["max_epoch"], config["batch_size"], config["optim"]) == (16, 32, "adamw")
    assert config["optim_conf"]["lr"] == 3e-4 and config["optim_conf"]["weight_decay"] == 1e-5
    assert config["scheduler"] == "exponentiallr" and config["scheduler_conf"]["gamma"] == pytest.approx(1 / 1.1)
    assert config["specaug"] == "specaug"


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_small_configurations_are_for_8_khz_digits(path):
    config = yaml.safe_load(path.read_text())
    assert config["frontend_conf"]["fs"] == 8000 and config["frontend_conf"]["n_mels"] == 40
