"""The report as readers meet it: in headless Chromium, offline, on a desk and on a phone."""

import json
import re
import shutil
import sys
import wave
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from browser import Browser  # noqa: E402
from searches import make  # noqa: E402

from audio_lottery.bin import cli, report  # noqa: E402
from audio_lottery.export import ticket_file  # noqa: E402
from audio_lottery.fileio import read_jsonl, write_jsonl  # noqa: E402


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One Chromium for all tests."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    found = Browser(program, tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """The largest report that is promised to open fast: 20 rounds, 3 seeds, a control, noise, a benchmark, audio."""
    folder = tmp_path_factory.mktemp("report")
    sets = ("dev", "test", "test_snr10")
    seeds = [str(make(folder / f"exp/seed{seed}_imp", seed, 20, sets)) for seed in range(3)]
    control = str(make(folder / "exp/control", 0, 3, sets))
    data = folder / "dump/raw/dev"
    data.mkdir(parents=True)
    names = [f"s-dev-{n:03d}" for n in range(40)]
    (data / "utt2spk").write_text("".join(f"{name} s\n" for name in names))
    (data / "wav.scp").write_text("".join(f"{name} {folder / 'audio' / name}.wav\n" for name in names[:-1])
                                  + f"{names[-1]} sox x.wav -t wav - |\n")
    (folder / "audio").mkdir()
    for name in names[:-1]:
        with wave.open(str(folder / "audio" / f"{name}.wav"), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(bytes(8000))
    (folder / "kernels.txt").write_text('a table\n{"processor": "P", "rows": [{"density": 0.1, "speedup": 5.4321}]}\n')
    assert cli.main(report, [*seeds, "--out", str(folder / "out"), "--name", "imp", "--compare", "control", control,
                             "--data", str(folder / "dump/raw"), "--benchmark", str(folder / "kernels.txt"),
                             "--command", "./run.sh --x '<y>'"]) == 0
    return folder / "out/index.html"


class Outline(HTMLParser):
    """Tags with their attributes, and whether every tag is closed."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_sections_and_files(page):
    outline = Outline(page.read_text())
    assert outline.open == []
    sections = [attributes["id"] for tag, attributes in outline.tags if tag == "section"]
    assert sections == ["wer", "compare", "noise", "pareto", "cost", "curves", "density", "overlap", "changes", "speed",
                        "made"]
    for name in ("wer", "compare_dev", "compare_test", "noise_test", "macs", "curves", "curves_2", "density_module",
                 "density_kind", "overlap"):
        for kind in ("png", "svg"):
            assert (page.parent / f"{name}.{kind}").stat().st_size > 1000
    links = [attributes["href"] for tag, attributes in outline.tags if tag == "a"]
    assert all((page.parent / link).is_file() for link in links if not link.startswith("#"))
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert "5.43" in page.read_text() and "./run.sh --x &#39;&lt;y&gt;&#39;" in page.read_text()


def test_nothing_inline_that_a_policy_forbids(page):
    outline = Outline(page.read_text())
    assert not [attributes for _, attributes in outline.tags
                if any(key == "style" or key.startswith("on") for key in attributes)]
    assert not [tag for tag, attributes in outline.tags if tag in ("iframe", "object", "embed", "form")]
    assert [attributes for tag, attributes in outline.tags if tag == "script"] == [{}]


def test_no_error_and_no_request(browser, page):
    browser.open(page.as_uri())
    assert browser.messages == []
    own = [url for url in browser.requests if not url.startswith("data:")]
    assert own == [page.as_uri()]


def test_the_policy_is_at_work(browser, page):
    """Else the test before would pass on a page that may do anything."""
    browser.open(page.as_uri())
    browser.evaluate("new Promise(done => { const one = new Image(); one.onerror = done; one.onload = done; "
                     "one.src = 'https://example.org/x.png'; })")
    assert browser.evaluate("new Promise(done => { document.addEventListener('securitypolicyviolation', "
                            "event => done(event.violatedDirective)); document.body.setAttribute('style', 'top: 0'); })"
                            ).startswith("style-src")
    assert any("Content Security Policy" in message for message in browser.messages)


def test_a_click_sorts(browser, page):
    browser.open(page.as_uri())
    column = ("[...document.querySelectorAll('#wer tbody tr')].map(row => row.cells[0].textContent)")
    assert browser.evaluate(column) == [str(n) for n in range(21)]
    head = "#wer thead th:nth-child(2) button"
    browser.click(head)  # scope %: ascending, so the sparsest first, as numbers
    assert browser.evaluate(column) == [str(n) for n in range(20, -1, -1)]
    assert browser.evaluate("document.querySelector('#wer th:nth-child(2)').getAttribute('aria-sort')") == "ascending"
    browser.click(head)
    assert browser.evaluate(column) == [str(n) for n in range(21)]
    browser.click("#wer thead th:nth-child(6) button")  # p: the dense model has none and stays last
    assert browser.evaluate(column)[-1] == "0"
    assert browser.evaluate("document.querySelectorAll('#wer [aria-sort]').length") == 1


def test_pictures_have_alternative_text(browser, page):
    browser.open(page.as_uri())
    texts = browser.evaluate("[...document.querySelectorAll('svg, img')].map(one => one.getAttribute('aria-label') || "
                             "one.alt || '')")
    assert len(texts) == 11 and all(len(text) > 30 for text in texts)
    assert "extreme ticket: round" in texts[0]


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_sideways_scrolling(browser, page, width):
    browser.open(page.as_uri(), width)
    browser.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.fonts.size") == 0
    wide = browser.evaluate("[...document.querySelectorAll('section p, section li')].filter("
                            "one => one.getBoundingClientRect().right > innerWidth && !one.closest('.hidden'))"
                            ".map(one => one.textContent.slice(0, 60))")
    assert [text for text in wide if not text.startswith("reference:")] == []
    # The first column stays in sight and must leave room for those that move beside it.
    assert browser.evaluate("Math.max(...[...document.querySelectorAll('td:first-child')].map("
                            "cell => cell.getBoundingClientRect().width))") < width / 2


def test_light_and_dark(browser, page):
    colour = "getComputedStyle(document.body).backgroundColor"
    browser.open(page.as_uri())
    light = browser.evaluate(colour)
    browser.click("#theme")
    dark = browser.evaluate(colour)
    browser.open(page.as_uri(), dark=True)
    assert browser.evaluate(colour) == dark != light
    text = browser.evaluate("getComputedStyle(document.querySelector('#wer svg text')).fill")
    assert text == browser.evaluate("getComputedStyle(document.body).color")


def test_it_opens_in_two_seconds(browser, page):
    """Counted is the work of the browser's main thread, which other processes of the machine don't lengthen."""
    browser.call("Performance.enable", timeDomain="threadTicks")
    browser.open(page.as_uri())
    metrics = {one["name"]: one["value"] for one in browser.call("Performance.getMetrics")["metrics"]}
    assert metrics["TaskDuration"] < 2
    assert page.stat().st_size < 8_000_000


def test_changes_with_players(browser, page):
    browser.open(page.as_uri())
    links = browser.evaluate("[...document.querySelectorAll('audio')].map(one => one.getAttribute('src'))")
    assert links and all(link.startswith("../audio/s-dev-") for link in links)
    assert browser.evaluate("document.querySelector('audio').preload") == "none"
    length = browser.evaluate("new Promise(done => { const one = document.querySelector('audio'); one.onerror = () => "
                              "done('error'); one.onloadedmetadata = () => done(one.duration); one.load(); "
                              "one.preload = 'metadata'; })")
    assert length == 0.5


def test_text_from_outside_is_text(browser, tmp_path):
    """Names of sets, searches and utterances, and words, are shown and not run."""
    evil = "<img src=x onerror=alert(1)>"
    exp = make(tmp_path / "a<b>&", 0, 2)
    path = exp / "round_02/decode_greedy/test/score_wer/hyp.trn"
    path.write_text(path.read_text().replace(" ", f" {evil.replace(' ', '_')} ", 1))
    rows = read_jsonl(exp / "rounds.jsonl")
    rows[0]["git"] = evil
    write_jsonl(exp / "rounds.jsonl", rows)
    other = str(make(tmp_path / "other", 0, 1))
    assert cli.main(report, [str(exp), "--out", str(tmp_path / "out"), "--command", "</script>" + evil,
                             "--compare", r"$\x$" + evil, other]) == 0
    browser.open((tmp_path / "out/index.html").as_uri())
    assert browser.evaluate("document.querySelector('h1').textContent") == "a<b>&"
    assert browser.evaluate("document.querySelectorAll('img, [onerror]').length") == 0
    assert browser.evaluate("document.querySelector('#made pre').textContent").strip() == "</script>" + evil
    assert browser.messages == []


def test_a_ledger_alone(tmp_path, capsys):
    """Committed results without models, masks and transcripts; nothing scored yet."""
    exp = make(tmp_path / "exp", 0, 3)
    lone = tmp_path / "lone"
    lone.mkdir()
    rows = read_jsonl(exp / "rounds.jsonl")
    for scored in (True, False):
        write_jsonl(lone / "rounds.jsonl", [row if scored else {**row, "scores": {}} for row in rows])
        assert cli.main(report, [str(lone), "--out", str(tmp_path / f"out{scored}"), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert ("wer.svg" in found["files"]) == scored and "index.html" in found["files"]
        sections = [attributes["id"] for tag, attributes in Outline(Path(found["page"]).read_text()).tags
                    if tag == "section"]
        assert sections == (["wer", "pareto", "cost", "made"] if scored else ["wer", "cost", "made"])


def test_archived_rounds_have_a_file_size_and_a_dense_model_taken_over_its_curve(tmp_path, capsys):
    exp, other = make(tmp_path / "exp", 0, 2), make(tmp_path / "other", 0, 1)
    state, mask = {"w": torch.ones(8, 8)}, torch.ones(8, 8, dtype=torch.bool)
    mask[4:] = False
    for number, masks in ((0, {}), (1, {"w": mask})):
        tensors = {"w": state["w"] * mask} if masks else state
        ticket = ticket_file.make(tensors, masks, {"encoder": "rnn"}, ["<blank>", "<unk>", "a"])
        ticket_file.write(exp / f"round_{number:02d}/model.ticket", ticket, "fp32")
        (exp / f"round_{number:02d}/config.yaml").write_text("encoder: rnn\n")
    (exp / "round_00/train.log").unlink()
    rows = read_jsonl(exp / "rounds.jsonl")
    rows[0] |= {"imported": {"model": str(other / "round_00/valid.loss.ave.pth")}, "train_seconds": 0.0}
    write_jsonl(exp / "rounds.jsonl", rows)
    assert cli.main(report, [str(exp), "--out", str(tmp_path / "out"), "--json"]) == 0
    assert {"size.svg", "size.png"} <= set(json.loads(capsys.readouterr().out)["files"])
    text = (tmp_path / "out/index.html").read_text()
    sizes = [re.findall("<td>(.*?)</td>", row)[5] for row in re.findall("<tr><td>[012]</td>.*?</tr>", text)[3:6]]
    assert sizes[0] != "-" and sizes[1] != "-" and sizes[2] == "-"
    assert "Lowest loss: round 0 " in text


def test_bad_input(tmp_path, capsys):
    exp = str(make(tmp_path / "exp", 0, 1))
    (tmp_path / "bench.txt").write_text("a table\n[1]\n")
    for arguments, complaint in (
            ([str(tmp_path / "none")], "no round recorded: run the search first"),
            ([exp, "--compare", "exp", exp], "--compare exp: is named twice"),
            ([exp, "--compare", "other"], "--compare other: no folder"),
            ([exp, "--benchmark", str(tmp_path / "bench.txt")], "bench.txt:2: no JSON object on the last line"),
            ([exp, "--inference_tag", "beam"], "no scores of inference 'beam'")):
        assert cli.main(report, [*arguments, "--out", str(tmp_path / "out")]) == 1
        assert complaint in capsys.readouterr().err
