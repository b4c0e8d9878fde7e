"""A ticket found with one token list, trained with another: what is taken, what is new, what is refused."""

import json

import pytest
import torch
import yaml

from audio_lottery import snapshot
from audio_lottery.bin import check, cli, find
from audio_lottery.espnet.models import load_state
from audio_lottery.export import folder as ticket_folder
from audio_lottery.export import ticket_file
from audio_lottery.fileio import read_json
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask

ONE_EPOCH = ["--asr_args", "--max_epoch 1 --keep_nbest_models 1"]
OUTPUT = {"ctc.ctc_lo.weight", "ctc.ctc_lo.bias"}


@pytest.fixture
def searched(recipe, tmp_path, capsys):
    """Run a search from a source ticket; its Layout, or the one line that refuses it."""

    def run(*more: object, config=None, tokens=None, name="target"):
        arguments = [*recipe.search(tmp_path / name, config=config), *ONE_EPOCH, *map(str, more)]
        if tokens:
            arguments[arguments.index("--token_list") + 1] = str(tokens)
        failed = cli.main(find, arguments)
        said = capsys.readouterr().err
        assert bool(failed) == (said.count("error:") == 1) and "Traceback" not in said, said
        return said if failed else Layout(tmp_path / name)

    return run


@pytest.fixture
def other_tokens(recipe, tmp_path):
    """The recipe's tokens in another order: as many, so that shapes alone would not tell."""
    first, *tokens, last = (recipe.folder / "tokens/tokens.txt").read_text().splitlines()
    path = tmp_path / "tokens.txt"
    path.write_text("\n".join([first, *reversed(tokens), last]) + "\n")
    return path


def started(layout, number):
    return json.loads((layout.round(number) / "start.json").read_text())["tensors"]


def test_masks_and_initial_weights_are_the_sources(exp, searched, other_tokens, capsys):
    source = Layout(exp)
    target = searched("--source_ticket", exp, tokens=other_tokens)
    first = snapshot.load(source.theta0)
    kept = snapshot.digests(first)
    for number in (0, 1, 2):
        if number:
            assert Mask.load(target.mask(number)) == Mask.load(source.mask(number))
            Mask.load(source.mask(number)).apply_(first)
            kept = snapshot.digests(first)
        differing = {name for name, digest in started(target, number).items() if digest != kept[name]}
        # The vocabulary is drawn as the recipe's own seed says, as the source's was: the same draws here.
        assert differing <= OUTPUT
    assert set(read_json(target.source / "about.json")["own"]) == OUTPUT
    assert cli.main(check, [str(target.folder)]) == 0, capsys.readouterr().err
    assert "ok   masks and initial weights are the source ticket's" in capsys.readouterr().out
    state = snapshot.load(target.theta0)
    name = next(iter(Mask.load(target.mask(1))))
    snapshot.save(target.theta0, {**state, name: state[name] + 1}, {})
    assert cli.main(check, [str(target.folder), "--json"]) == 1
    assert f"theta0.safetensors: {name} is not the one taken from" in capsys.readouterr().out


def test_own_layers_are_drawn_as_the_recipe_draws_them(recipe, exp, searched, other_tokens):
    """From a source of another seed, only what is not of the vocabulary is the source's."""
    config = yaml.safe_load(recipe.config.read_text()) | {"seed": 7}
    path = other_tokens.with_name("seed7.yaml")
    path.write_text(yaml.safe_dump(config))
    target = searched("--source_ticket", exp, "--last_round", "0", config=path, tokens=other_tokens)
    fresh = searched("--last_round", "0", config=path, tokens=other_tokens, name="fresh")
    source, own, taken = started(Layout(exp), 0), started(fresh, 0), started(target, 0)
    weights = [name for name in taken if source[name] != own[name]]
    assert OUTPUT <= set(weights) and len(weights) > len(OUTPUT)
    assert all(taken[name] == (own if name in OUTPUT else source)[name] for name in taken)


def test_one_mask_alone(exp, searched, capsys):
    target = searched("--source_ticket", exp, "--source_round", "2", "--source_weights", "false")
    assert target.finished() == [0, 1]
    assert Mask.load(target.mask(1)) == Mask.load(Layout(exp).mask(2))
    assert Ledger(target.ledger).get(1)["density_scope"] == Ledger(exp).get(2)["density_scope"]
    assert cli.main(check, [str(target.folder)]) == 0, capsys.readouterr().err
    said = searched("--source_ticket", exp, "--source_round", "1", "--source_weights", "false")
    assert "begun with another source" in said
    assert "begun with masks_from: " in searched()


def test_a_ticket_file_gives_its_mask(exp, tmp_path, searched):
    path = tmp_path / "small.ticket"
    ticket_file.write(path, ticket_folder.from_folder(exp / "round_02"), "fp16")
    assert "holds trained weights, not the initial ones" in searched("--source_ticket", path)
    target = searched("--source_ticket", path, "--source_weights", "false", "--lottery_args", "--rounds 1")
    assert Mask.load(target.mask(1)) == Mask.load(Layout(exp).mask(2))


def test_one_ticket_adapted(exp, searched, capsys):
    """Round 0 is the ticket as it was, round 1 the same weights trained on, with the same mask."""
    target = searched("--dense_model", exp / "round_02", "--source_ticket", exp, "--source_round", "2",
                      "--source_weights", "false", "--lottery_args", "--restart finetune")
    rows = Ledger(target.ledger).rows
    assert rows[0]["density_scope"] <= rows[1]["density_scope"] == Ledger(exp).get(2)["density_scope"]
    last = load_state(exp / "round_02/latest.pth")
    assert started(target, 1) == snapshot.digests(last)
    assert cli.main(check, [str(target.folder)]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("more, why", [
    (["--source_round", "3"], "has no such ticket: choose from 1, 2, or all"),
    (["--source_round", "x"], "--source_round x: all, or the number of a round, is expected"),
    (["--lottery_args", "--rounds 3"], "has masks of 2: take rounds: 2"),
    (["--lottery_args", "--rounds 2 --restart fresh"], "rounds would not start from the source's initial weights"),
    (["--lottery_args", "--rounds 2 --masks_from imp"], "masks_from: imp: the masks are the source ticket's"),
    (["--dense_model", "round_00"], "both bring weights"),
    (["--theta0", "x"], "--theta0: these are the initial weights of --dense_model"),
])
def test_options_that_do_not_fit(exp, searched, more, why):
    assert why in searched("--source_ticket", exp, *more)


def test_another_architecture_is_named(recipe, exp, tmp_path, searched):
    config = yaml.safe_load(recipe.config.read_text())
    config["encoder_conf"]["num_blocks"] = 2
    path = tmp_path / "deeper.yaml"
    path.write_text(yaml.safe_dump(config))
    assert "another architecture: encoder.encoders.1." in searched("--source_ticket", exp, config=path)
    copy = tmp_path / "copy"
    (copy / "round_00").mkdir(parents=True)
    for name in ("lottery.yaml", "masks", "round_00/config.yaml"):
        (copy / name).symlink_to(exp / name)
    state = snapshot.load(Layout(exp).theta0)
    state["encoder.embed.out.weight"] = torch.zeros(3, 3)
    snapshot.save(copy / "theta0.safetensors", state, {})
    said = searched("--source_ticket", copy)
    assert "another architecture: encoder.embed.out.weight is [3, 3] there, [16, " in said
    assert "no masks of a search in it" in searched("--source_ticket", tmp_path)
