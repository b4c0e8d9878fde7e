"""Criteria on ESPnet's data, restarts and groups, on the tiny recipe."""

import re
import shlex
from dataclasses import replace

import pytest
import torch
import yaml
from torch.nn import BatchNorm1d

from audio_lottery import config, config_file, snapshot
from audio_lottery.bin import cli, find, prune, recipe_options
from audio_lottery.bin.cli import Parser
from audio_lottery.criteria import Evidence, criteria
from audio_lottery.errors import LotteryError
from audio_lottery.espnet.backend import EspnetBackend
from audio_lottery.espnet.models import load_state
from audio_lottery.invariants import check
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask, named_tensors
from audio_lottery.scope import ScopeConfig


@pytest.fixture(scope="module")
def backend(recipe) -> EspnetBackend:
    parser = Parser()
    find.add_arguments(parser)
    args = parser.parse_args(recipe.search(recipe.folder / "unused"))
    return EspnetBackend(recipe_options.read(args, str(recipe.stats)), ScopeConfig())


def evidence(backend: EspnetBackend, exp, part="train", initial=False, batches=2) -> Evidence:
    state = snapshot.load(Layout(exp).theta0) if initial else backend.state(exp / "round_00", "last")
    made = backend.calibration(state, part, batches, initial)
    tensors = named_tensors(made.model)
    start = snapshot.load(Layout(exp).theta0)
    return Evidence({name: tensors[name] for name in backend.scope()}, start=start, calibration=made)


def test_fresh_weights_are_of_the_same_initialiser(backend, exp, monkeypatch):
    """Drawn with the training's own seed they are theta0 bit for bit; with another they differ everywhere."""
    theta0 = snapshot.load(Layout(exp).theta0)
    drawn = backend.fresh(0)
    assert not any(torch.equal(drawn[name], theta0[name]) for name in backend.scope())
    monkeypatch.setattr("audio_lottery.espnet.backend.FRESH_SEED", 0)
    assert snapshot.digests(backend.fresh(0)) == snapshot.digests(theta0)


@pytest.mark.parametrize("part", ["train", "dev"])
def test_batches_are_those_of_the_set_and_the_same_again(backend, exp, recipe, part):
    first, again = (list(evidence(backend, exp, part).calibration.batches()) for _ in range(2))
    known = {line.split()[0] for line in (recipe.dump / part / "wav.scp").read_text().splitlines()}
    assert first and {key for batch in first for key in batch["utt_id"]} <= known
    for one, other in zip(first, again, strict=True):
        assert one["utt_id"] == other["utt_id"] and torch.equal(one["speech"], other["speech"])


def test_as_many_batches_as_asked_for_and_fewer_are_said(backend, exp, caplog):
    assert len(list(evidence(backend, exp, "dev", batches=1).calibration.batches())) == 1
    found = list(evidence(backend, exp, "dev", batches=999).calibration.batches())
    assert len({key for batch in found for key in batch["utt_id"]}) == 6
    assert f"batches: 999 asked for, the dev set has {len(found)}: all are taken" in caplog.text


def test_utterances_are_the_batches_cut_up(backend, exp):
    made = evidence(backend, exp).calibration
    batch, utterances = next(iter(made.batches())), list(made.utterances())
    assert [one["utt_id"][0] for one in utterances[: len(batch["utt_id"])]] == list(batch["utt_id"])
    assert all(one["speech"].shape[1] == int(one["speech_lengths"]) for one in utterances)
    losses = [float(made.loss(made.model, one).detach()) for one in utterances[: len(batch["utt_id"])]]
    # ESPnet's CTC loss is summed over frames and divided by the batch.
    assert float(made.loss(made.model, batch).detach()) == pytest.approx(sum(losses) / len(losses), rel=0.02)


@pytest.mark.parametrize("name", list(criteria))
def test_every_criterion_scores_every_tensor_and_leaves_the_model_alone(backend, exp, name):
    given = evidence(backend, exp, initial=name in ("snip", "grasp", "synflow"))
    if name == "synflow":
        weights = {name: weight for name, weight in given.weights.items()
                   if not re.search("linear_(q|k|pos)|pointwise_conv1", name)}
        given = replace(given, weights=weights)
    before = snapshot.digests(given.calibration.model.state_dict())
    for tensor, weight in given.weights.items():
        scores = criteria.get(name)(tensor, given)
        assert scores.shape == weight.shape and torch.isfinite(scores).all(), tensor
        assert scores.abs().max() > 0, tensor
    assert snapshot.digests(given.calibration.model.state_dict()) == before


def test_snip_against_a_plain_backward_pass(backend, exp):
    given = evidence(backend, exp, initial=True, batches=1)
    found = {name: criteria.get("snip")(name, given) for name in given.weights}
    model = given.calibration.model
    model.zero_grad()
    given.calibration.loss(model, next(iter(given.calibration.batches()))).backward()
    for name, parameter in model.named_parameters():
        if name in found:
            wanted = (parameter.grad * parameter).abs().double()
            assert torch.allclose(found[name], wanted, rtol=1e-4, atol=1e-8), name


def test_batch_norms_of_initial_weights_take_the_batches_statistics(backend, exp):
    norms = {initial: [module.training for module in evidence(backend, exp, initial=initial).calibration.model.modules()
                       if isinstance(module, BatchNorm1d)] for initial in (True, False)}
    assert all(norms[True]) and not any(norms[False]) and norms[True]


@pytest.mark.parametrize("arguments", [
    "--rounds 1 --granularity head --schedule one_shot --schedule_conf.density 0.5",
    "--rounds 2 --restart finetune --criterion taylor --criterion_conf.batches 2 --granularity 4x1 --rate 0.4",
    "--rounds 1 --restart learning_rate --prune_from average --allocation layerwise --granularity ffn_channel",
    "--rounds 2 --restart sign --schedule decaying --criterion movement --allocation bounded "
    "--allocation_conf.minimum '{embed: 0.7}'",
], ids=["heads", "finetune", "learning_rate", "sign"])
def test_searches_hold_the_invariants(recipe, tmp_path, arguments, capsys):
    options = recipe.search(tmp_path / "exp")
    options[options.index("--lottery_args") + 1] = arguments
    assert cli.main(find, options) == 0
    layout = Layout(tmp_path / "exp")
    assert {what: found for what, found in check(layout.folder, load_state).items() if found} == {}
    rows = Ledger(layout.ledger).rows
    kept = Mask.load(layout.mask(rows[-1]["round"]))
    assert rows[-1]["kept_scope"] == kept.kept
    if "head" in arguments:
        assert kept.density == 0.5 and all("self_attn" in name for name in kept)
    elif "finetune" in arguments:
        rates = [{group["lr"] for group in load_state(layout.round(number) / "checkpoint.pth")["optimizers"][0]
                  ["param_groups"]} for number in (0, 1, 2)]
        assert rates[0] == rates[1] == rates[2]
        assert "lr" in (layout.round(1) / "train.log").read_text()


@pytest.mark.parametrize("criterion, said", [
    ("wanda", "wanda: encoder.rnns.0.forward_rnn.weight_ih_l0 is not of a Linear layer"),
    ("synflow", "synflow: no flow reaches encoder.convs.0.conv.weight, behind gates"),
])
def test_recurrent_layers_are_refused_before_any_training(recipe, tmp_path, capsys, criterion, said):
    path = tmp_path / "train.yaml"
    encoder = {"channels": 4, "num_layers": 2, "bidirectional": True, "rnn_type": "lstm", "hidden_size": 8}
    path.write_text(yaml.safe_dump(yaml.safe_load(recipe.config.read_text())
                                   | {"encoder": "ds2", "encoder_conf": encoder}))
    options = recipe.search(tmp_path / "exp", config=path)
    options[options.index("--lottery_args") + 1] = f"--criterion {criterion}"
    assert cli.main(find, options) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "exp/round_00").exists()


def test_a_random_ticket_of_the_search(recipe, exp, tmp_path):
    options = recipe.search(tmp_path / "exp")
    options[options.index("--lottery_args") + 1] = f"--rounds 1 --restart fresh --masks_from {shlex.quote(str(exp))}"
    assert cli.main(find, options) == 0
    layout = Layout(tmp_path / "exp")
    assert Mask.load(layout.mask(1)) == Mask.load(Layout(exp).mask(1))
    assert {what: found for what, found in check(layout.folder, load_state).items() if found} == {}
    ticket, fresh = load_state(layout.round(1) / "latest.pth"), snapshot.load(layout.fresh)
    assert any(not torch.equal(ticket[name], fresh[name]) for name in fresh)


def test_presets_as_run_sh_gives_them(recipe, tmp_path, repo_root):
    """imp_structured_8x1, then the random ticket of the search beside it, found by its preset's name."""
    def search(preset, arguments):
        folder = tmp_path / f"conformer_word_{preset}"
        options = recipe.search(folder, "--lottery_conf", str(repo_root / f"conf/lottery/{preset}.yaml"))
        options[options.index("--lottery_args") + 1] = "--rounds 1 " + arguments
        assert cli.main(find, options) == 0
        assert {what: found for what, found in check(folder, load_state).items() if found} == {}
        return Layout(folder)

    blocks = search("imp_structured_8x1", "")
    ticket = search("random_ticket", "--masks_from imp_structured_8x1")
    assert Mask.load(ticket.mask(1)) == Mask.load(blocks.mask(1))
    shuffled = search("layer_shuffle", "--allocation_conf.mask imp_structured_8x1")
    assert Mask.load(shuffled.mask(1)).kept_per_tensor == Mask.load(blocks.mask(1)).kept_per_tensor


def test_pruning_by_hand(exp, tmp_path, capsys):
    """Without options as the search does it; heads go whole; what needs a search says so."""
    out = tmp_path / "mask.safetensors"
    options = [str(exp / "round_00"), "--model_file", "latest.pth", "--out", str(out)]
    assert cli.main(prune, [*options, "--rate", "0.4"]) == 0
    assert Mask.load(out) == Mask.load(Layout(exp).mask(1))
    assert cli.main(prune, [*options, "--rate", "0.5", "--granularity", "head"]) == 0
    heads = Mask.load(out)
    assert heads.density == 0.5 and all("self_attn" in name for name in heads)
    capsys.readouterr()
    for wrong, said in (("--criterion snip", "use it in a search"), ("--allocation copied", "mask is missing"),
                        ("--granularity 2:4", "cannot give density")):
        assert cli.main(prune, [*options, *wrong.split()]) == 1
        assert said in capsys.readouterr().err


def test_several_learning_rates_are_not_finetuned(backend, tmp_path):
    torch.save({"optimizers": [{"param_groups": [{"lr": 0.1}, {"lr": 0.2}]}]}, tmp_path / "checkpoint.pth")
    with pytest.raises(LotteryError, match="finetune with several learning rates"):
        backend.learning_rate(tmp_path)


def test_the_configuration_is_refused_before_the_model_is_built(recipe, tmp_path, capsys):
    options = recipe.search(tmp_path / "exp")
    options[options.index("--lottery_args") + 1] = "--granularity 2:4"
    assert cli.main(find, options) == 1
    assert "2:4 cannot give density 0.8" in capsys.readouterr().err
    assert config_file.load(None) == config.LotteryConfig()
