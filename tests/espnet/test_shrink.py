"""Shrinking real ESPnet models: stock ESPnet loads the result, and it computes what the masked model does."""

import json

import pytest
import soundfile
import torch
import yaml

from audio_lottery.bin import asr_inference, check, cli, find
from audio_lottery.bin import shrink as command
from audio_lottery.espnet.command import Recipe
from audio_lottery.espnet.models import load_state
from audio_lottery.espnet.tasks import get_task, resolve
from audio_lottery.granularity import parse
from audio_lottery.layout import Layout

COMMON = {"frontend": "default",
          "frontend_conf": {"fs": 8000, "n_fft": 256, "win_length": 200, "hop_length": 80, "n_mels": 20},
          "normalize": "utterance_mvn", "best_model_criterion": [["valid", "loss", "min"]], "num_workers": 0}
CTC = {"decoder": None, "model_conf": {"ctc_weight": 1.0}}
CONFORMER = {"output_size": 16, "attention_heads": 4, "linear_units": 32, "num_blocks": 3, "macaron_style": True,
             "use_cnn_module": True, "cnn_module_kernel": 7, "rel_pos_type": "latest",
             "pos_enc_layer_type": "rel_pos", "selfattention_layer_type": "rel_selfattn"}
HYBRID = {"encoder": "transformer",
          "encoder_conf": {"output_size": 16, "attention_heads": 4, "linear_units": 32, "num_blocks": 3},
          "decoder": "transformer", "decoder_conf": {"attention_heads": 4, "linear_units": 24, "num_blocks": 3},
          "model_conf": {"ctc_weight": 0.3}}
MODELS = {
    "conformer": {"encoder": "conformer", "encoder_conf": CONFORMER, **CTC},
    "transformer": HYBRID,
    "e_branchformer": {
        "encoder": "e_branchformer",
        "encoder_conf": {"output_size": 16, "attention_heads": 4, "cgmlp_linear_units": 24, "cgmlp_conv_kernel": 7,
                         "linear_units": 32, "num_blocks": 2, "merge_conv_kernel": 3, "use_ffn": True,
                         "macaron_ffn": True}, **CTC},
    "transducer": {
        "decoder": "rnn", "decoder_conf": {"embed_size": 8, "hidden_size": 12},
        "joint_network_conf": {"joint_space_size": 12},
        "encoder_conf": {
            "main_conf": {"pos_wise_act_type": "swish", "conv_mod_act_type": "swish"},
            "input_conf": {"block_type": "conv2d", "conv_size": 8, "subsampling_factor": 4},
            "body_conf": [{"block_type": "conformer", "linear_size": 32, "hidden_size": 16, "heads": 4,
                           "conv_mod_kernel_size": 7, "num_blocks": 2}]}},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A dev set of three utterances and its tokens."""
    made = tmp_path_factory.mktemp("data")
    (made / "dev").mkdir()
    (made / "tokens.txt").write_text("<blank>\n<unk>\none\ntwo\nthree\n<sos/eos>\n")
    generator, lines = torch.Generator().manual_seed(0), []
    for number, length in enumerate((8000, 11000, 15000)):
        time = torch.arange(length) / 8000
        wave = 0.3 * torch.sin(900 * time * (1 + time)) + 0.05 * torch.randn(length, generator=generator)
        soundfile.write(made / f"{number}.wav", wave.numpy(), 8000)
        lines.append(f"utt{number} {made / f'{number}.wav'}\n")
    (made / "dev/wav.scp").write_text("".join(lines))
    return made


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory):
    """folder(model, prune): a search's folder with round 1 of a model whose weights ``prune(model)`` made zero."""
    configs = {}

    def config_of(name):
        """What ESPnet writes beside a model."""
        made = tmp_path_factory.mktemp(name)
        path = made / "train.yaml"
        path.write_text(yaml.safe_dump(COMMON | MODELS[name]))
        task = resolve("auto", path)
        recipe = Recipe(task, str(path), str(data / "dev"), str(data / "dev"), "stats", "word",
                        str(data / "tokens.txt"))
        get_task(task).main(cmd=[*recipe.training(made / "dry"), "--dry_run", "true"])
        return get_task(task), made / "dry/config.yaml"

    def make(name, prune):
        configs[name] = configs.get(name) or config_of(name)
        task, config = configs[name]
        exp = tmp_path_factory.mktemp(f"exp_{name}")
        round_folder = Layout(exp).round(1)
        round_folder.mkdir()
        (round_folder / "config.yaml").write_text(config.read_text())
        torch.manual_seed(1)
        model, _ = task.build_model_from_file(config)
        _disturb(model)
        with torch.no_grad():
            prune(model)
        torch.save(model.state_dict(), round_folder / "valid.loss.ave.pth")
        return exp

    return make


def _disturb(model) -> None:
    """Biases, norms and statistics as after some training, not as at the start."""
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.dtype == torch.float32 and value.dim() == 1 and not name.startswith("frontend"):
                value += 0.3 * torch.rand_like(value)


def by_magnitude(grain: str, share: float, each: bool = True):
    """Zero the lowest groups of every unit (each) or of all together, as a round does."""
    def prune(model):
        tensors = {name: value for name, value in model.named_parameters() if value.dim() > 1}
        groups = parse(grain).bind({name: tuple(value.shape) for name, value in tensors.items()}, model)
        within = {name: torch.ones_like(tensors[name], dtype=torch.bool) for name in groups.names}
        for names in groups.units if each else [groups.names]:
            count = round(share * sum(tensors[name].numel() for name in names))
            scores = {name: tensors[name].detach().abs() for name in names}
            for name, kept in groups.select(scores, count, within).items():
                tensors[name] *= kept
    return prune


def shrink(exp, tmp_path, *more):
    out = tmp_path / "small"
    status = cli.main(command, [str(exp), "--round", "1", "--out", str(out), *more])
    return out, status, json.loads((out / "shrink.json").read_text()) if status == 0 else None


def stock_model(out, name):
    """Built and loaded by stock ESPnet alone, strictly."""
    if name == "transducer":
        from espnet2.tasks.asr_transducer import ASRTransducerTask as Task
    else:
        from espnet2.tasks.asr import ASRTask as Task
    model, _ = Task.build_model_from_file(out / "config.yaml")
    model.load_state_dict(load_state(out / "valid.loss.ave.pth"))
    return model.eval()


@pytest.mark.parametrize("name, keys", [
    ("conformer", {"encoder_conf.linear_units"}),
    ("transformer", {"encoder_conf.linear_units", "decoder_conf.linear_units"}),
    ("e_branchformer", {"encoder_conf.linear_units"}),
    ("transducer", {"encoder_conf.body_conf[0].linear_size", "encoder_conf.body_conf[1].linear_size"})])
def test_channels(folder, tmp_path, name, keys):
    out, status, report = shrink(folder(name, by_magnitude("ffn_channel", 0.5)), tmp_path)
    assert status == 0
    assert {change["key"]: change["after"] for change in report["changes"]} == {
        key: 12 if "decoder" in key else 16 for key in keys}
    assert report["difference"] <= 1e-5 and report["compared_on"].endswith("dev/wav.scp")
    for what in ("parameters", "macs", "bytes"):
        assert report[what][1] < report[what][0]
    own = stock_model(out, name)
    assert sum(one.numel() for one in own.parameters()) == report["parameters"][1]
    if name == "transducer":
        blocks = yaml.safe_load((out / "config.yaml").read_text())["encoder_conf"]["body_conf"]
        assert [block["num_blocks"] for block in blocks] == [2] and blocks[0]["linear_size"] == 16


@pytest.mark.parametrize("name", MODELS)
def test_the_module_that_needs_most_sets_a_shared_size(folder, tmp_path, name):
    out, status, report = shrink(folder(name, by_magnitude("ffn_channel", 0.6, each=False)), tmp_path)
    assert status == 0 and report["difference"] <= 1e-5
    if name != "transducer":
        shared = report["changes"][0]
        assert shared["idle"] > 0 and "needs" in shared["why"]
    stock_model(out, name)


@pytest.mark.parametrize("name", MODELS)
def test_heads_are_fewer_and_wider_in_stock_espnet(folder, tmp_path, name):
    out, status, report = shrink(folder(name, by_magnitude("head", 0.5)), tmp_path)
    assert status == 0 and report["difference"] <= 1e-5
    assert {(change["before"], change["after"]) for change in report["changes"]} == {(4, 2)}
    assert "16 x 16" in report["changes"][0]["why"]
    assert report["parameters"][0] == report["parameters"][1]
    heads = [getattr(one, "h", getattr(one, "num_heads", None)) for one in stock_model(out, name).modules()
             if hasattr(one, "linear_q")]
    assert set(heads) == {2}


def test_heads_whose_number_does_not_divide_the_block_stay(folder, tmp_path, capsys):
    exp = folder("conformer", by_magnitude("head", 0.25))
    assert shrink(exp, tmp_path)[1] == 1
    assert ("nothing can be removed: encoder_conf.attention_heads: 3 heads are needed, and no number from 3 to 3 "
            "divides 16: try --exact_sizes true") in capsys.readouterr().err


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("grain", ["head", "conv_channel", "ffn_channel", "layer"])
def test_exact_sizes(folder, tmp_path, name, grain):
    if grain == "conv_channel" and name in ("transformer", "e_branchformer"):
        pytest.skip("has no convolution module")
    exp = folder(name, by_magnitude(grain, 0.6, each=grain != "layer"))
    out, status, report = shrink(exp, tmp_path, "--exact_sizes", "true")
    assert status == 0 and report["difference"] <= 1e-5
    assert report["parameters"][1] < report["parameters"][0] and report["macs"][1] < report["macs"][0]


@pytest.mark.parametrize("name", ["conformer", "transformer", "transducer"])
@pytest.mark.parametrize("exact", ["false", "true"])
def test_recognition(folder, data, tmp_path, name, exact):
    """Stock ESPnet's Speech2Text, or for exact sizes this toolkit's, decodes both models alike."""
    exp = folder(name, by_magnitude("ffn_channel", 0.6, each=False))
    out, status, _ = shrink(exp, tmp_path, "--exact_sizes", exact)
    assert status == 0
    options = {"beam_size": 2, "ctc_weight": 1.0 if name == "conformer" else 0.3, "maxlenratio": -6}
    if name == "transducer":
        from espnet2.bin.asr_transducer_inference import Speech2Text as Stock

        from audio_lottery.espnet.transducer_inference import Speech2Text as Own

        options = {"beam_size": 2, "beam_search_config": {"search_type": "default"}}
        Chosen = Own if exact == "true" else Stock
    else:
        from espnet2.bin.asr_inference import Speech2Text as Stock

        Chosen = Stock  # which knows the names that this toolkit registered
    speech, _ = soundfile.read(data / "1.wav", dtype="float32")
    scores = []
    for recogniser, at in ((Stock, Layout(exp).round(1)), (Chosen, out)):
        made = recogniser(at / "config.yaml", at / "valid.loss.ave.pth", **options)
        results = made(speech)
        best = made.hypotheses_to_results(results)[0] if name == "transducer" else results[0]
        scores.append((best[2], float(best[-1].score)))
    assert scores[0][0] == scores[1][0] and abs(scores[0][1] - scores[1][1]) < 1e-3


def layers(model_part: str, *numbers: int):
    """Zero the matrices of whole layers."""
    def prune(model):
        for name, value in model.named_parameters():
            if value.dim() > 1 and any(name.startswith(f"{model_part}.{number}.") for number in numbers):
                value.zero_()
    return prune


@pytest.mark.parametrize("part, numbers, key", [
    ("encoder.encoders", (1,), "encoder_conf.num_blocks"), ("encoder.encoders", (0, 2), "encoder_conf.num_blocks"),
    ("decoder.decoders", (0,), "decoder_conf.num_blocks"),
    ("decoder.decoders", (0, 1, 2), "decoder_conf.num_blocks")])
def test_layers(folder, tmp_path, part, numbers, key):
    out, status, report = shrink(folder("transformer", layers(part, *numbers)), tmp_path)
    assert status == 0 and report["difference"] <= 1e-5
    left = 3 - min(len(numbers), 2)
    change, all_empty = report["changes"][0], len(numbers) == 3
    assert (change["key"], change["before"], change["after"], change["idle"]) == (key, 3, left, int(all_empty))
    assert report["macs"][1] < report["macs"][0]
    assert len(stock_model(out, "transformer").get_submodule(part)) == left


def test_a_conformers_layers_stay_and_it_says_why(folder, tmp_path, capsys):
    assert shrink(folder("conformer", layers("encoder.encoders", 1)), tmp_path)[1] == 1
    assert "encoder_conf.num_blocks: empty blocks that end in a norm still norm" in capsys.readouterr().err


def test_audio_that_is_not_there(folder, data, tmp_path, capsys):
    exp = folder("conformer", by_magnitude("ffn_channel", 0.5))
    config = Layout(exp).round(1) / "config.yaml"
    (tmp_path / "wav.scp").write_text("utt1 nowhere.wav\n")
    config.write_text(config.read_text().replace(str(data / "dev/wav.scp"), str(tmp_path / "wav.scp")))
    assert shrink(exp, tmp_path)[1] == 1
    assert "wav.scp: its first utterances cannot be read" in capsys.readouterr().err
    config.write_text(config.read_text().replace(str(tmp_path / "wav.scp"), "moved/wav.scp"))
    assert shrink(exp, tmp_path)[2]["compared_on"] == "random input"


@pytest.mark.parametrize("name", ["conformer", "transducer"])
def test_convolution_channels_stay_in_stock_espnet_and_it_says_why(folder, tmp_path, capsys, name):
    exp = folder(name, by_magnitude("conv_channel", 0.5))
    assert shrink(exp, tmp_path)[1] == 1
    said = capsys.readouterr().err
    assert "ESPnet ties the channels of its convolution modules to the size of the whole block" in said
    assert "--exact_sizes true" in said and not (tmp_path / "small").exists()


def test_a_search_to_its_shrunk_model(recipe, tmp_path, capsys):
    """Trained with channels of all layers alike; the command that decodes rounds decodes the result."""
    exp, out = tmp_path / "exp", tmp_path / "small"
    arguments = recipe.search(exp)
    arguments[arguments.index("--lottery_args") + 1] += (
        " --rounds 1 --rate 0.5 --granularity ffn_channel --allocation even")
    assert cli.main(find, arguments) == 0 and cli.main(check, [str(exp)]) == 0
    assert cli.main(command, [str(exp), "--round", "1", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "encoder_conf.linear_units                32 -> 16\n" in said and "output differs by at most" in said
    texts = []
    for folder in (Layout(exp).round(1), out):
        cmd = ["--asr_train_config", folder / "config.yaml", "--asr_model_file", folder / "valid.loss.ave.pth",
               "--output_dir", folder / "decoded", "--ctc_weight", "1.0", "--beam_size", "1",
               "--data_path_and_name_and_type", f"{recipe.dump}/test/wav.scp,speech,sound"]
        asr_inference.main([str(one) for one in cmd])
        texts.append((folder / "decoded/1best_recog/text").read_text())
    assert texts[0] == texts[1] and len(texts[0].splitlines()) == 6


def test_a_dense_round_and_a_full_folder_are_refused(folder, tmp_path, capsys):
    exp = folder("conformer", lambda model: None)
    assert shrink(exp, tmp_path)[1] == 1
    assert "no head, channel or layer is empty" in capsys.readouterr().err
    (tmp_path / "small").mkdir()
    (tmp_path / "small/kept").write_text("")
    assert shrink(exp, tmp_path)[1] == 1
    assert "not an empty folder" in capsys.readouterr().err and (tmp_path / "small/kept").exists()
