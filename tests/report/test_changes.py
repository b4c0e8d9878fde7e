"""Changed utterances, aligned by hand; dev curves; Pareto fronts; SVG taken into a page."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_lottery.metrics.trn import write_trn
from audio_lottery.metrics.wer import align
from audio_lottery.report.changes import Column, audio_links, merge, read_changes, rows
from audio_lottery.report.curves import read_curves, shown
from audio_lottery.report.html.svg import inline
from audio_lottery.report.pareto import Model, front

WORDS = st.lists(st.sampled_from("abc"), max_size=6)


def test_aligned_by_hand():
    assert merge(align(list("abc"), list("axbc")), align(list("abc"), list("ac"))) == [
        Column("a", "a", "C", "a", "C"), Column(None, "x", "I", None, ""), Column("b", "b", "C", None, "D"),
        Column("c", "c", "C", "c", "C")]


@given(WORDS, WORDS, WORDS)
def test_columns_hold_all_three_texts(reference, dense, ticket):
    columns = merge(align(reference, dense), align(reference, ticket))
    for which, text in (("reference", reference), ("dense", dense), ("ticket", ticket)):
        assert [word for one in columns if (word := getattr(one, which)) is not None] == text
    for which, text in (("dense_step", dense), ("ticket_step", ticket)):
        steps = [getattr(one, which) for one in columns]
        assert sum(step in ("C", "S", "D") for step in steps) == len(reference)
        assert sum(step in ("C", "S", "I") for step in steps) == len(text)


@pytest.fixture
def exp(tmp_path):
    texts = {"ref": {"u1": "a b c", "u2": "a b c", "u3": "a b c", "u4": "a"},
             0: {"u1": "a b c", "u2": "x y c", "u3": "a b c", "u4": "b"},
             2: {"u1": "a b", "u2": "a b c", "u3": "a b c", "u4": "c"}}
    for number in (0, 2):
        where = tmp_path / f"round_{number:02d}/decode_g/test/score_wer"
        for name, which in (("ref", "ref"), ("hyp", number)):
            write_trn(where / f"{name}.trn", texts[which], dict.fromkeys(texts[which], "s"))
    return tmp_path


def test_the_worst_comes_first(exp):
    changes = read_changes(exp, 2, "g", "test")
    assert [(one.utterance, one.words, one.dense, one.ticket, one.gain) for one in changes] == [
        ("s-u1", 3, 0, 1, -1), ("s-u4", 1, 1, 1, 0), ("s-u2", 3, 2, 0, 2)]
    assert rows(changes, "test")[0] == {"set": "test", "utterance": "s-u1", "words": 3, "errors_dense": 0,
                                        "errors_ticket": 1, "reference": "a b c", "dense": "a b c", "ticket": "a b"}
    assert read_changes(exp, 1, "g", "test") == []


def test_links_to_audio_that_is_there(tmp_path, monkeypatch):
    folder = tmp_path / "raw/test"
    folder.mkdir(parents=True)
    (folder / "utt2spk").write_text("u1 s\nu2 s\nu3 s\nu4 s\n")
    (folder / "wav.scp").write_text("u1 audio/one take#1.wav\nu2 audio/gone.wav\nu3 sox x - |\nu4 data.ark:12\n")
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio/one take#1.wav").touch()
    monkeypatch.chdir(tmp_path)
    assert audio_links(tmp_path / "raw", "test", tmp_path / "exp/report") == {"s-u1": "../../audio/one%20take%231.wav"}
    assert audio_links(tmp_path / "raw", "dev", tmp_path) == audio_links(None, "test", tmp_path) == {}


def test_curves_of_a_log_that_was_continued(tmp_path):
    folder = tmp_path / "round_01"
    folder.mkdir()
    line = ("[vm] x (trainer:392) INFO: {}epoch results: [train] loss=9.0, "
            "[valid] loss={}, cer=nan, acc={}, time=1 second")
    lines = [line.format(*values) for values in ((1, 5.5, 0.25), (2, 7.0, 0.5), (2, "3e+00", 0.75))]
    (folder / "train.log").write_text("\n".join(["loss=1.0", *lines, "2epoch results: no log line"]))
    curves = read_curves(tmp_path, [{"round": 0}, {"round": 1}])
    assert curves == {1: {"loss": {1: 5.5, 2: 3.0}, "acc": {1: 0.25, 2: 0.75}}}
    assert shown(curves) == ["loss", "acc"]


def test_the_front_by_hand():
    models = [Model(0, 10, 5), Model(1, 8, 4), Model(2, 6, 4), Model(3, 4, 6), Model(4, 4, 7), Model(5, 2, 9)]
    assert [one.round for one in front(models)] == [5, 3, 2]


@given(st.lists(st.builds(Model, st.integers(0, 99), st.integers(0, 9), st.integers(0, 9)), min_size=1))
def test_nothing_beats_the_front(models):
    best = front(models)
    beaten = [one for one in best for other in models if (other.cost <= one.cost and other.wer <= one.wer)
              and (other.cost, other.wer) != (one.cost, one.wer)]
    assert not beaten
    assert all(any(one.cost <= model.cost and one.wer <= model.wer for one in best) for model in models)


def test_svg_without_styles_and_with_ids_of_its_own():
    text = """<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
        width="72pt" height="1pt" viewBox="0 0 72 1"><metadata>x</metadata><defs><style>*{}</style><path id="m" d="M0 0"
        style="stroke: #000000"/></defs><g clip-path="url(#c)"><use xlink:href="#m" style="fill: #ffffff"/>
        <text style="font: 10px 'DejaVu Sans'; fill: #ffffff">&lt;b&gt;</text></g><script>alert(1)</script></svg>"""
    root = ElementTree.fromstring(inline(text, "wer", 'a "picture" <of> it'))
    tags = {element.tag.rpartition("}")[2]: element.attrib for element in root.iter()}
    assert set(tags) == {"svg", "defs", "path", "g", "use", "text"}
    svg = tags["svg"]
    assert (svg["aria-label"], svg["role"]) == ('a "picture" <of> it', "img")
    assert svg["width"] == "96" and "height" not in svg
    assert tags["path"] == {"id": "wer-m", "d": "M0 0", "stroke": "currentColor"}
    assert tags["g"] == {"clip-path": "url(#wer-c)"}
    assert tags["use"] == {"{http://www.w3.org/1999/xlink}href": "#wer-m", "class": "paper"}
    assert tags["text"] == {"font-size": "10px", "fill": "#ffffff"}
