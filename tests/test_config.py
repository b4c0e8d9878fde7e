"""The lottery configuration: files, overrides, and what is refused with file and line."""

import dataclasses
from pathlib import Path

import pytest

from audio_lottery.config import LotteryConfig
from audio_lottery.config_file import load
from audio_lottery.errors import LotteryError


def written(folder: Path, text: str) -> Path:
    path = folder / "lottery.yaml"
    path.write_text(text)
    return path


def test_the_shipped_file_holds_the_defaults(repo_root):
    assert load(repo_root / "conf/lottery/imp.yaml") == LotteryConfig()


def test_file_then_arguments(tmp_path):
    path = written(tmp_path, "rate: 0.5\nrounds: 3\nscope: {exclude: [embed]}\n")
    config = load(path, "--rate 0.1 --rewind 500it --scope.include encoder ctc --scope.output_layer true")
    assert (config.rate, config.rounds, config.rewind) == (0.1, 3, "500it")
    assert config.scope.include == ("encoder", "ctc")
    assert config.scope.exclude == ("embed",)
    assert config.scope.output_layer


def test_what_is_written_reads_back(tmp_path):
    import yaml

    config = dataclasses.replace(LotteryConfig(), rewind="2ep", rate=0.3)
    assert load(written(tmp_path, yaml.safe_dump(config.to_dict()))) == config


@pytest.mark.parametrize("text, said", [
    ("rounds: 3\nratee: 0.2\n", r"lottery\.yaml:2: unknown key ratee: did you mean rate\?"),
    ("rounds: 3\n\nrate: 1.5\n", r"lottery\.yaml:3: rate: 1\.5 is out of range"),
    ("rounds: -1\n", r"lottery\.yaml:1: rounds: -1 is out of range"),
    ("rounds: two\n", r"lottery\.yaml:1: rounds: 'two' has the wrong type"),
    ("rewind: 500\n", r"lottery\.yaml:1: rewind: 500 is not a point in training: write 0, 500it or 2ep"),
    ("criterion: size\n", r"lottery\.yaml:1: criterion: unknown name 'size'"),
    ("scope:\n  inclde: [a]\n", r"lottery\.yaml:2: unknown key scope\.inclde: did you mean scope\.include\?"),
    ("granularity: 4y1\n", r"lottery\.yaml:1: granularity: unknown name '4y1'.*or write blocks as 8x1"),
    ("granularity: 8\n", r"lottery\.yaml:1: granularity: 8 has the wrong type"),
    ("schedule: decay\n", r"lottery\.yaml:1: schedule: unknown name 'decay': choose one of .*decaying"),
    ("restart: rewinding\n", r"lottery\.yaml:1: restart: unknown name"),
    ("schedule_conf: {facto: 1}\nschedule: decaying\n", r"lottery\.yaml: schedule_conf: unknown key facto: did you "
     r"mean factor\?"),
    ("schedule_conf: {factor: 0.9}\n", r"unknown key factor: constant knows target"),
    ("schedule_conf: 3\n", r"lottery\.yaml:1: schedule_conf: 3 has the wrong type"),
    ("criterion_conf: {batches: 3}\n", r"batches would do nothing with criterion: magnitude.*take one of fisher"),
    ("criterion: snip\ncriterion_conf: {batch: 3}\n", r"unknown key batch: did you mean batches\?"),
    ("criterion: snip\ncriterion_conf: {set: test}\n", r"'test' is unknown: choose from train, dev"),
    ("criterion: snip\ncriterion_conf: {batches: 0}\n", r"batches: 0 is out of range: give 1 or more"),
    ("granularity: 2:4\n", r"lottery\.yaml: granularity: 2:4 cannot give density 0\.8000: the nearest .* 0\.75"),
    ("granularity: 1:4\nallocation: erk\nschedule: one_shot\nschedule_conf: {density: 0.25}\nrounds: 1\n",
     r"allocation: erk with granularity: 1:4.*take allocation: global"),
    ("schedule: decaying\nschedule_conf: {factor: 0.5, target: 0.1}\n", r"target: 0\.1 is not reached in 8 rounds"),
    ("allocation: copied\n", r"lottery\.yaml: allocation_conf: mask is missing"),
    ("scope: {output_layer: 3}\n", r"scope\.output_layer: 3 is not true or false"),
    ("rate: [\n", r"lottery\.yaml:\d: not valid YAML"),
    ("- 1\n", r"lottery\.yaml:1: a mapping is expected"),
    ("!!python/object/apply:os.system [echo]\n", r"lottery\.yaml:1: not valid YAML"),
])
def test_bad_files_name_file_and_line(tmp_path, text, said):
    with pytest.raises(LotteryError, match=said):
        load(written(tmp_path, text))


def test_options_are_overridden_one_by_one(tmp_path):
    path = written(tmp_path, "schedule: decaying\nschedule_conf: {factor: 0.5}\ncriterion: wanda\n")
    config = load(path, "--schedule_conf.factor 0.9 --criterion_conf.batches 3 --granularity 4x1")
    assert config.make_schedule().factor == 0.9 and config.make_criterion_conf().batches == 3
    listed = load(None, "--schedule densities --schedule_conf.densities 0.5 0.25 --rounds 2 --granularity 1:4")
    assert listed.granularity == "1:4" and listed.schedule_conf == {"densities": [0.5, 0.25]}


@pytest.mark.parametrize("arguments, said", [
    ("rate 0.2", "is not an option"), ("--rate", "has no value"), ("--nope 1", "unknown key nope"),
    ("--scope.nope 1", "unknown key scope.nope"), ("--rate 0", "out of range"),
    ("--rate 'a", "No closing quotation: mend its quotes"), ("--rate [", "not a YAML value"),
    ("--rate 2001-99-99", "not a YAML value"), ("--scope.include " + "[" * 3000, "not a YAML value"),
])
def test_bad_arguments(arguments, said):
    with pytest.raises(LotteryError, match=said):
        load(None, arguments)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LotteryError, match="absent.yaml: No such file"):
        load(tmp_path / "absent.yaml")
