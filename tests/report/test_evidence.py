"""RESULTS.md from kept searches: numbers and verdicts below are computed by hand."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from audio_lottery.bin import cli, results
from audio_lottery.errors import LotteryError
from audio_lottery.fileio import write_json, write_jsonl, write_text
from audio_lottery.report.claims import CONFIRMED, NOT, UNTESTED, verdicts
from audio_lottery.report.evidence import collect, noise
from audio_lottery.report.evidence_page import pages
from audio_lottery.report.findings import findings
from audio_lottery.report.recipe import backbone, told_apart, traits

ROOT = Path(__file__).parents[2]
UTTERANCES = [f"u{n}" for n in range(10)]
NONE, ONE, ALL, HALF = [0] * 10, [1] + [0] * 9, [1] * 10, [1] * 5 + [0] * 5
CONFORMER = {"encoder": "conformer", "model_conf": {"ctc_weight": 1.0}, "max_epoch": 2}


def kept(root: Path, name: str, rounds: dict, *, seed: int = 0, preset: str = "imp", training: dict = CONFORMER,
         train: str = "train", sets: tuple = ("dev", "test"), source: dict | None = None) -> Path:
    """A kept search. rounds: number -> (density of the model, errors by utterance on dev, on test, ...)."""
    folder = root / "egs2" / "digits" / "asr1" / "results" / name
    rows, errors = [], []
    for dataset in sets:
        errors.append({"inference": "greedy", "set": dataset, "utterances": UTTERANCES, "words": [2] * 10})
    for number, (density, *by_set) in rounds.items():
        scores = {}
        for dataset, found in zip(sets, by_set, strict=True):
            errors.append({"inference": "greedy", "set": dataset, "round": number, "errors": found})
            scores[dataset] = {"wer": 5.0 * sum(found), "errors": sum(found), "ci": [0.0, 100.0]}
        rows.append({"round": number, "seed": seed, "steps": 10, "density_whole": density, "density_scope": density,
                     "macs": {"seconds": 10.0, "dense": 100, "sparse": 100 * density}, "scores": {"greedy": scores}})
    write_jsonl(folder / "rounds.jsonl", rows)
    write_jsonl(folder / "errors.jsonl", errors)
    shutil.copyfile(ROOT / "conf" / "lottery" / f"{preset}.yaml", folder / "lottery.yaml")
    paths = {f"{key}_data_path_and_name_and_type": [[f"dump/split/raw/{path}/wav.scp", "speech", "sound"]]
             for key, path in {"train": train, "valid": "dev"}.items()}
    write_text(folder / "training.yaml", yaml.safe_dump({**training, **paths, "seed": seed}))
    if source:
        write_json(folder / "source.json", source)
    return folder


@pytest.fixture
def root(tmp_path) -> Path:
    shutil.copytree(ROOT / "conf" / "lottery", tmp_path / "conf" / "lottery")
    return tmp_path


def judged(root: Path) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for one in verdicts(collect(root)):
        found.setdefault(one.claim, []).append((one.where, one.verdict))
    return found


def test_seeds_are_one_method_and_the_dev_set_chooses_over_them(root):
    # Round 2 is worse on dev in both seeds (6 of 10 utterances), better on test: it is not chosen.
    rounds = {0: (1.0, NONE, HALF), 1: (0.15, NONE, ONE), 2: (0.1, [1] * 6 + [0] * 4, NONE)}
    for seed in (0, 1):
        kept(root, f"s{seed}", rounds, seed=seed)
    experiment, = collect(root)
    assert (experiment.name, experiment.where) == ("Conformer, CTC", "digits, split")
    one, = findings(experiment)
    assert (one.extreme.number, one.best.number, one.dense.seeds) == (1, 1, (0, 1))
    assert one.summed(one.extreme, "test") == ([2] + [0] * 9, [4] * 10)
    # 2 errors less 10, of 40 words; 4 of the 5 utterances differ, all one way: p = 1 / 16.
    less, (low, high), p_worse = one.difference(one.extreme, one.dense, "test")
    assert (less, p_worse) == (-20.0, 1 / 16) and low <= less <= high
    text = "".join(pages(root).values())
    assert "| extreme ticket | 15.0 | 15.0 | 15.0 | 2 | 0.0 [0.0, 0.0] ± 0.0 | 5.0 [0.0, 15.0] ± 0.0 | -20.0" in text


def test_each_claim_by_its_rule(root):
    kept(root, "imp", {0: (1.0, ALL, ALL), 1: (0.15, HALF, NONE), 2: (0.04, HALF, ALL)})
    kept(root, "ticket", {0: (1.0, ALL, ALL), 2: (0.04, ALL, [3] * 10)}, preset="random_ticket")
    kept(root, "pruning", {0: (1.0, ALL, ALL), 2: (0.04, ALL, ALL)}, preset="random_pruning")
    kept(root, "blocks", {0: (1.0, ALL, ALL), 1: (0.5, ALL, ALL)}, preset="imp_structured_8x1")
    kept(root, "other", {0: (1.0, ALL, ALL), 1: (0.5, ALL, [2] * 10)}, source={"weights": True})
    found = judged(root)
    name = "Conformer, CTC (digits, split), 1 seed"
    extreme = dict(found["Extreme tickets keep less than 20% of the weights"])
    assert extreme == {"CNN-LSTM": UNTESTED, "RNN-T": UNTESTED, "Transformer": UNTESTED, name: CONFIRMED}
    assert found["The lightest extreme ticket keeps 4.4% of the whole model"] == [(name, CONFIRMED)]
    # Best on dev, the sparser of equals, is round 2, which makes as many errors on test as the dense model.
    assert found["The best ticket is better than the dense model"] == [(name, NOT)]
    assert found["The initial weights matter: the mask with other random weights is worse"] == [(name, CONFIRMED)]
    assert found["The mask matters: random pruning is worse"] == [(name, NOT)]
    assert found["Matching tickets exist with structured masks"] == [(name, CONFIRMED)]
    assert found["A mask found on another corpus trains to a matching model"] == [(name, NOT)]
    assert {verdict for claim, several in found.items() for _, verdict in several
            if "Sparsity pays" in claim or "noise" in claim} == {UNTESTED}


def test_an_extreme_ticket_that_fails_on_test_is_not_confirmed(root):
    kept(root, "imp", {0: (1.0, NONE, NONE), 1: (0.15, NONE, ALL)})
    found = dict(judged(root)["Extreme tickets keep less than 20% of the weights"])
    assert found["Conformer, CTC (digits, split), 1 seed"] == NOT


@pytest.mark.parametrize(("preset", "claim"), [("random_ticket", "The initial weights matter"),
                                               ("small_dense", "Sparsity pays")])
def test_controls_are_known_by_their_configuration_wherever_their_search_was(root, preset, claim):
    kept(root, "imp", {0: (1.0, ALL, ALL), 1: (0.15, ALL, NONE)})
    folder = kept(root, "a_name", {0: (1.0, ALL, ALL), 1: (0.15, ALL, ALL)}, preset=preset)
    key = "masks_from" if preset == "random_ticket" else preset
    text = (folder / "lottery.yaml").read_text().replace(f"{key}: imp", f"{key}: exp/far/away")
    write_text(folder / "lottery.yaml", text + "rounds: 1\nrate: 0.85\nonly_rounds: [1]\n")
    several = next(several for name, several in judged(root).items() if name.startswith(claim))
    assert several == [("Conformer, CTC (digits, split), 1 seed", CONFIRMED)]


def test_noise(root):
    sets = ("dev", "test", "test_snr0")
    kept(root, "clean", {0: (1.0, ALL, NONE, ALL), 1: (0.5, ALL, NONE, [2] * 10)}, sets=sets)
    kept(root, "noisy", {0: (1.0, ALL, NONE, ALL), 1: (0.5, ALL, NONE, NONE)}, sets=sets, train="train_snr0to20")
    found = judged(root)["Trained with noise, tickets are better than the dense model on noisy speech"]
    assert found == [("Conformer, CTC (digits, split), noise at 0 to 20 dB, 1 seed", CONFIRMED)]
    text = "".join(pages(root).values())
    # Dense: 10 errors of 20 words at 0 dB; a ticket without any is better, one of twice as many is worse.
    assert "| clean speech | 1 | 100.0 | 100.0 | 0.0 | 50.0 |\n" \
           "| clean speech | 1 | 50.0 | 50.0 | 0.0 | 100.0† |" in text
    assert "| noise at 0 to 20 dB | 1 | 50.0 | 50.0 | 0.0 | 0.0↓ |" in text
    assert noise({"train_snr": [-5, 5]}, "train") == "noise at -5 to 5 dB"


def test_the_same_search_again_counts_once_and_another_of_its_seed_is_refused(root):
    rounds = {0: (1.0, ALL, NONE), 1: (0.5, HALF, NONE)}
    kept(root, "imp", rounds)
    kept(root, "imp_noisy", {number: (*row, ALL) for number, row in rounds.items()}, sets=("dev", "test", "test_snr0"))
    experiment, = collect(root)
    assert [one.name for one in experiment.searches] == ["imp_noisy"]  # that was scored on more
    kept(root, "imp_again", {**rounds, 1: (0.5, HALF, ONE)})
    with pytest.raises(LotteryError, match="imp_noisy: has seed 0, as .*imp_again"):
        pages(root)


def test_the_target_of_a_transfer_is_an_experiment_of_its_own(root):
    rounds, order = {0: (1.0, ALL, NONE), 1: (0.5, HALF, NONE)}, ["<blank>", "ONE", "TWO"]
    for seed in (0, 1):
        kept(root, f"imp{seed}", rounds, seed=seed, training={**CONFORMER, "token_list": order})
    kept(root, "file", rounds, seed=2, training={**CONFORMER, "token_list": "tokens.txt"})  # as if the usual one
    kept(root, "own", rounds, training={**CONFORMER, "token_list": order[::-1]})
    kept(root, "source", rounds, training={**CONFORMER, "token_list": order[::-1]}, source={"weights": True})
    one, other = collect(root)
    assert [one.apart, len(one.searches)] == ["", 3]
    assert [other.apart, list(other.methods())] == ["tokens in another order", ["imp", "transferred ticket"]]
    text = "".join(pages(root).values())
    assert "| imp | 50.0 | 0.0 [0.0, 0.0] | 1.000 |\n| transferred ticket | 50.0 | 0.0 [0.0, 0.0] | 1.000 |" in text


def test_files_come_from_what_tools_printed(root):
    folder = kept(root, "imp", {0: (1.0, ALL, ALL), 1: (0.5, ALL, ALL)})
    exported = {"round": 1, "file": "x.ticket", "bytes": 1000, "dense_bytes": 8000}
    write_json(folder / "export.json", {"files": [exported]})
    write_text(folder / "commands.txt", "./run.sh --seed 0\n")
    text = "".join(pages(root).values())
    assert "| Conformer, CTC | imp | 0 | 1 | x.ticket | 1,000 | 8.0 |" in text
    assert "```sh\n./run.sh --seed 0\n```" in text


def test_backbones():
    assert backbone({"encoder": "ds2", "model_conf": {"ctc_weight": 1.0}}) == "CNN-LSTM (Deep Speech 2), CTC"
    assert backbone({"encoder": "transformer", "decoder": "transformer"}) == "Transformer, CTC and attention"
    assert backbone({"encoder": "rnn", "encoder_conf": {"body_conf": [{"block_type": "conformer"}]},
                     "joint_network_conf": {}}) == "RNN transducer, Conformer encoder"


def test_recipes_of_one_backbone_say_what_differs(root):
    first = {**CONFORMER, "frontend": "default", "frontend_conf": {"fs": 8000, "hop_length": 80}}
    kept(root, "imp", {0: (1.0, ALL, ALL), 1: (0.5, ALL, ALL)}, training=first)
    stored = {**CONFORMER, "frontend": None, "input_size": 40, "max_epoch": 3}
    for seed in (0, 1):
        folder = kept(root, f"grid/s{seed}", {0: (1.0, ALL, ALL), 1: (0.5, ALL, ALL)}, training=stored, seed=seed)
        write_json(folder / "features.json", {"frontend_conf": {"fs": 8000, "hop_length": 160}})
    names = [one.name for one in collect(root)]
    assert names == ["Conformer, CTC, frames of 20 ms", "Conformer, CTC, frames of 10 ms"]
    line = "Frames of 20 ms, 40 stored filterbanks, 3 epochs a round; 20% of what is left pruned a round; seeds 0, 1."
    assert f"\n\n{line}\n\n" in pages(root)[root / "RESULTS.md"]
    one = traits({"max_epoch": 2})
    assert told_apart([one]) == [""]
    assert told_apart([one, {**one, "epochs": "9 epochs a round"}]) == ["2 epochs a round", "9 epochs a round"]
    assert told_apart([one, one]) == ["recipe 1", "recipe 2"]


METHODS = {"imp": "imp", "pruning": "random_pruning", "ticket": "random_ticket", "rigl": "rigl"}


def test_methods_of_a_grid_stand_side_by_side(root, capsys):
    """Results in a folder of their own: one page for the recipe, links and pictures that hold."""
    for name, preset in METHODS.items():
        for seed in (0, 1) if preset != "rigl" else (0,):
            worse = ALL if preset in ("random_pruning", "rigl") else ONE
            density = 0.3 if preset == "rigl" else 0.16
            folder = kept(root, f"grid/{name}_seed{seed}", {0: (1.0, NONE, NONE), 1: (0.5, ONE, ONE),
                                                            2: (density, ONE, worse)}, preset=preset, seed=seed)
            write_text(folder / "commands.txt", f"./run.sh --seed {seed} --x {name}\n")
            write_text(folder / "wer.png", "")
    assert cli.main(results, ["--root", str(root)]) == 0
    home = root / "egs2/digits/asr1"
    made = {path: path.read_text() for path in pages(root)}
    assert list(made) == [root / "RESULTS.md", home / "RESULTS.md"]
    for page, text in made.items():
        links = re.findall(r"\]\(([^)#]+)\)", text)
        assert links and [link for link in links if not (page.parent / link).exists()] == []
        assert "| random_pruning | 2 | **5.0 ± 0.0** | 50.0 ± 0.0†\\* |" in text
        assert "| rigl (one seed) | 1 | **5.0** | - |" in text  # none of its tickets is near 16%
        assert "| random_ticket | 2 | **5.0 ± 0.0** | **5.0 ± 0.0** |" in text
    assert "[seed 1](results/grid/imp_seed1/rounds.jsonl)" in made[home / "RESULTS.md"]
    assert "<summary>The 7 commands</summary>" in made[home / "RESULTS.md"]
    picture, = home.glob("results/methods_*.png")
    picture.unlink()
    assert cli.main(results, ["--root", str(root), "--check"]) == 1
    assert "no such picture: run audio-lottery results" in capsys.readouterr().err


def test_command_writes_and_checks(root, capsys):
    folder = kept(root, "imp", {0: (1.0, ALL, ALL), 1: (0.5, ALL, ALL)})
    assert cli.main(results, ["--root", str(root)]) == 0
    assert cli.main(results, ["--root", str(root), "--check"]) == 0
    recipe = (folder.parent.parent / "RESULTS.md").read_text()
    assert "[imp](results/imp/rounds.jsonl)" in recipe and "(../../../RESULTS.md)" in recipe
    assert f"({folder.parent.parent.relative_to(root)}/RESULTS.md)" in (root / "RESULTS.md").read_text()
    kept(root, "imp", {0: (1.0, ALL, ALL), 1: (0.4, ALL, ALL)})
    assert cli.main(results, ["--root", str(root), "--check"]) == 1
    assert "run audio-lottery results" in capsys.readouterr().err


def test_nothing_kept_is_said(tmp_path):
    with pytest.raises(LotteryError, match="audio-lottery keep"):
        collect(tmp_path)


def test_results_of_this_repository_are_what_its_ledgers_say():
    for path, text in pages(ROOT).items():
        assert path.read_text(encoding="utf-8") == text, "run audio-lottery results"
        links = re.findall(r"\]\(([^)#:]+)\)", text)
        assert [link for link in links if not (path.parent / link).exists()] == []
