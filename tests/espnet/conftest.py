"""A tiny recipe on synthesised digits and a whole search on it, made once a test process."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from audio_lottery.bin import cli

ROOT = Path(__file__).resolve().parents[2]

MODEL = {
    "frontend": "default",
    "frontend_conf": {"fs": 8000, "n_fft": 256, "win_length": 200, "hop_length": 80, "n_mels": 20},
    "specaug": "specaug",
    "specaug_conf": {"apply_time_warp": False, "apply_freq_mask": True, "freq_mask_width_range": [0, 4],
                     "num_freq_mask": 1, "apply_time_mask": False},
    "normalize": "utterance_mvn", "encoder": "conformer",
    "encoder_conf": {"output_size": 16, "attention_heads": 2, "linear_units": 32, "num_blocks": 1,
                     "input_layer": "conv2d", "macaron_style": True, "use_cnn_module": True, "cnn_module_kernel": 7,
                     "rel_pos_type": "latest", "pos_enc_layer_type": "rel_pos", "dropout_rate": 0.1,
                     "selfattention_layer_type": "rel_selfattn", "activation_type": "swish"},
    "decoder": None, "model_conf": {"ctc_weight": 1.0},
    "optim": "adamw", "optim_conf": {"lr": 0.01, "weight_decay": 0.01},
    "scheduler": "warmuplr", "scheduler_conf": {"warmup_steps": 5},
    "batch_type": "numel", "batch_bins": 80000, "max_epoch": 3, "keep_nbest_models": 2,
    "best_model_criterion": [["valid", "loss", "min"]], "num_workers": 0, "num_att_plot": 0,
    "use_matplotlib": False, "use_tensorboard": True, "seed": 0,
}


def audio_lottery(name: str, *arguments: object) -> int:
    """Run a command of the toolkit in this process; its exit status."""
    import importlib

    return cli.main(importlib.import_module(f"audio_lottery.bin.{name}"), [str(one) for one in arguments])


class Recipe:
    """Prepared data of the tiny recipe, and the options that name it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.config = folder / "train.yaml"
        self.dump, self.stats = folder / "dump", folder / "stats"

    def options(self, config: Path | None = None) -> list[str]:
        """Options that stats and find share."""
        return ["--asr_config", str(config or self.config), "--train", str(self.dump / "train"),
                "--valid", str(self.dump / "dev"), "--token_list", str(self.folder / "tokens/tokens.txt")]

    def search(self, exp: Path, *more: str, config: Path | None = None) -> list[str]:
        """Arguments of ``audio-lottery find`` for a search of two rounds."""
        return [str(exp), *self.options(config), "--stats", str(self.stats), "--lottery_args", "--rounds 2 --rate 0.4",
                *more]

    def spawn(self, exp: Path, *more: str, env: dict[str, str] | None = None) -> subprocess.Popen:
        """The same search as a process of its own."""
        command = [sys.executable, "-m", "audio_lottery.bin.find", *self.search(exp, *more)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)


@pytest.fixture(scope="session")
def recipe(tmp_path_factory) -> Recipe:
    """Real (synthesised) speech through stages 1 to 4."""
    made = Recipe(tmp_path_factory.mktemp("recipe"))
    made.config.write_text(yaml.safe_dump(MODEL))
    data = made.folder / "data"
    assert audio_lottery("prepare", "digits", "--out", data, "--train_strings", 24, "--dev_strings", 6,
                         "--test_strings", 6) == 0
    for name in ("train", "dev", "test"):
        assert audio_lottery("format", "--data", data / name, "--dump", made.dump / name, "--fs", 8000) == 0
    assert audio_lottery("tokens", "--token_type", "word", "--text", made.dump / "train/text",
                         "--out", made.folder / "tokens") == 0
    assert audio_lottery("stats", *made.options(), "--out", made.stats) == 0
    return made


@pytest.fixture(scope="session")
def exp(recipe) -> Path:
    """A finished search of two rounds, in one process. Tests must not change it."""
    folder = recipe.folder / "exp"
    assert audio_lottery("find", *recipe.search(folder)) == 0
    return folder


@pytest.fixture(scope="session")
def decode_config(recipe) -> Path:
    """Greedy CTC."""
    path = recipe.folder / "decode_greedy.yaml"
    path.write_text("beam_size: 1\nctc_weight: 1.0\n")
    return path


@pytest.fixture
def refused(capsys, tmp_path, monkeypatch):
    """Call a command that must fail with status 1 and one line on stderr; that line."""
    monkeypatch.chdir(tmp_path)

    def call(name: str, *arguments: object) -> str:
        capsys.readouterr()
        try:
            status = audio_lottery(name, *arguments)
        except SystemExit as ended:
            status = ended.code
        said = capsys.readouterr().err
        assert status == 1
        assert said.count("\n") == 1 and "Traceback" not in said, said
        assert said.startswith("audio-lottery ")
        return said

    return call


@pytest.fixture(scope="session")
def same_search():
    """Assert that two searches have the same masks and models, bit for bit, and that the second's invariants hold."""
    from audio_lottery import snapshot
    from audio_lottery.espnet.models import load_state
    from audio_lottery.invariants import check
    from audio_lottery.layout import Layout
    from audio_lottery.mask import Mask

    def compare(one: Path, other: Path) -> None:
        a, b = Layout(one), Layout(other)
        assert [found for named in check(other, load_state).values() for found in named] == []
        assert a.finished() == b.finished()
        for number in a.finished():
            if number:
                assert Mask.load(a.mask(number)) == Mask.load(b.mask(number))
            names = sorted(path.name for path in a.round(number).glob("*.pth"))
            assert names == sorted(path.name for path in b.round(number).glob("*.pth"))
            for name in names:
                if not name.startswith("checkpoint"):
                    x, y = load_state(a.round(number) / name), load_state(b.round(number) / name)
                    assert snapshot.digests(x) == snapshot.digests(y), f"round {number}: {name}"

    return compare
