"""The one RNN-T loss, ESPnet's transducer task with it, and decoding by stock and own commands."""

import argparse

import numpy as np
import pytest
import soundfile
import torch
import yaml

from audio_lottery.errors import LotteryError
from audio_lottery.espnet import transducer_loss as module
from audio_lottery.espnet.rnnt_loss import rnnt_loss
from audio_lottery.espnet.transducer_loss import BACKENDS, transducer_loss

# ESPnet's default search need not end on an untrained model; this one writes at most 2 labels a frame.
SEARCH = {"search_type": "tsd", "max_sym_exp": 2}
TOKENS = ["<blank>", "<unk>", "one", "two", "three", "<sos/eos>"]
ENCODERS = {
    "conformer": {"body_conf": [{"block_type": "conformer", "num_blocks": 1, "hidden_size": 16,
                                 "linear_size": 16, "conv_mod_kernel_size": 3}]},
    "lstm": {"body_conf": [{"block_type": "rnn", "num_layers": 2, "hidden_size": 16}]},
    "gru": {"body_conf": [{"block_type": "rnn", "rnn_type": "gru", "bidirectional": False, "num_layers": 1,
                           "hidden_size": 12}], "input_conf": {"vgg_like": True, "conv_size": [4, 4]}},
}


def lattice(dtype=torch.float32):
    torch.manual_seed(0)
    return (torch.randn(3, 9, 5, 7, dtype=dtype), torch.randint(1, 7, (3, 4)),
            torch.tensor([9, 5, 7]), torch.tensor([4, 0, 2]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_agree(backend):
    if backend == "torchaudio" and not module.torchaudio_works("cpu"):
        pytest.skip("torchaudio's RNN-T kernel does not work here")
    results = []
    for choice in ("auto", backend):
        logits, *rest = lattice()
        logits.requires_grad_()
        losses = transducer_loss(logits, *rest, reduction="none", backend=choice)
        losses.sum().backward()
        results.append((losses.detach(), logits.grad))
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types_that_torchaudio_has_not_are_ours(dtype):
    logits, *rest = lattice(dtype)
    assert torch.equal(transducer_loss(logits, *rest), rnnt_loss(logits, *rest))


def test_logits_longer_than_the_longest_utterance():
    logits, targets, frames, labels = lattice()
    torch.testing.assert_close(transducer_loss(logits, targets, frames - 2, labels - labels.clamp(max=1)),
                               transducer_loss(logits[:, :7, :4], targets[:, :3], frames - 2,
                                               labels - labels.clamp(max=1)))


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="backend"):
        transducer_loss(*lattice(), backend="warp")


def task_args(encoder, decoder="rnn", **model_conf):
    """Parsed options of a tiny transducer, as ESPnet's task makes them."""
    from audio_lottery.espnet.transducer_task import ASRTransducerTask

    args = ASRTransducerTask.get_parser().parse_args(["--output_dir", "x", "--decoder", decoder])
    args.token_list, args.token_type = TOKENS, "word"
    args.frontend_conf = {"fs": 8000, "n_fft": 128, "hop_length": 80, "n_mels": 20}
    args.encoder_conf = yaml.safe_load(yaml.safe_dump(ENCODERS[encoder]))
    args.decoder_conf = {"embed_size": 8} | ({"hidden_size": 8} if decoder == "rnn" else {})
    args.joint_network_conf, args.model_conf = {"joint_space_size": 8}, model_conf
    return args


def build(*args, **kwargs):
    from audio_lottery.espnet.transducer_task import ASRTransducerTask

    torch.manual_seed(0)
    return ASRTransducerTask.build_model(task_args(*args, **kwargs))


def batch():
    speech = torch.randn(2, 8000)
    return speech, torch.tensor([8000, 5000]), torch.tensor([[2, 3, 4], [4, -1, -1]]), torch.tensor([3, 1])


@pytest.mark.parametrize(("encoder", "decoder"), [
    ("conformer", "rnn"), ("conformer", "stateless"), ("lstm", "rnn"), ("gru", "stateless")])
def test_a_model_trains(encoder, decoder):
    model = build(encoder, decoder, auxiliary_ctc_weight=0.3)
    optim = torch.optim.Adam(model.parameters(), lr=0.01)
    inputs, losses = batch(), []
    for _ in range(8):
        optim.zero_grad()
        loss, stats, _ = model(*inputs)
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        optim.step()
        losses.append(float(stats["loss_transducer"]))
    assert losses[-1] < losses[0]


def test_names_and_weights_are_those_of_the_stock_task():
    from espnet2.tasks.asr_transducer import ASRTransducerTask

    torch.manual_seed(0)
    stock = ASRTransducerTask.build_model(task_args("conformer")).state_dict()
    ours = build("conformer").state_dict()
    assert list(ours) == list(stock)
    assert all(torch.equal(ours[name], stock[name]) for name in stock)


def test_each_layer_and_direction_of_the_recurrent_encoder_has_its_own_matrices():
    names = dict(build("lstm").encoder.named_parameters())
    for layer in range(2):
        for matrix in ("ih", "hh"):
            for direction in ("forward", "backward"):
                assert names[f"rnns.{layer}.{direction}_rnn.weight_{matrix}_l0"].dim() == 2


def test_recurrent_encoding_does_not_depend_on_the_rest_of_the_batch():
    encoder = build("lstm").encoder.eval()
    x, lengths = torch.randn(2, 60, 20), torch.tensor([35, 60])
    y, out = encoder(x, lengths)
    single, (length,) = encoder(x[:1, :35], lengths[:1])
    assert out.tolist() == [length, y.shape[1]]
    torch.testing.assert_close(y[:1, :length], single)


@pytest.mark.parametrize(("change", "message"), [
    ({"model_conf": {"fastemit_lambda": 0.01}}, "fastemit"),
    ({"encoder_conf": {"body_conf": ENCODERS["lstm"]["body_conf"] * 2}}, "stands alone"),
    ({"encoder_conf": {"body_conf": [{"block_type": "rnn", "num_layers": 1, "hidden_size": 4, "units": 3}]}},
     "units"),
    ({"encoder_conf": {"body_conf": [{"block_type": "rnn", "num_layers": 1}]}}, "hidden_size"),
    ({"encoder_conf": {"body_conf": [{"block_type": "rnn", "num_layers": 1, "hidden_size": 4,
                                      "rnn_type": "elman"}]}}, "elman"),
])
def test_bad_configurations_are_one_line(change, message):
    from audio_lottery.espnet.transducer_task import ASRTransducerTask

    args = argparse.Namespace(**vars(task_args("lstm")) | change)
    with pytest.raises(LotteryError, match=message) as error:
        ASRTransducerTask.build_model(args)
    assert "\n" not in str(error.value)


@pytest.fixture
def experiment(tmp_path):
    """Write a model of random weights, its config.yaml and two recordings, one too short to encode."""
    def make(encoder):
        args = task_args(encoder)
        torch.manual_seed(0)
        from audio_lottery.espnet.transducer_task import ASRTransducerTask
        model = ASRTransducerTask.build_model(args)
        torch.nn.init.normal_(model.joint_network.lin_out.weight, std=3)  # so that it says something
        torch.save(model.state_dict(), tmp_path / "model.pth")
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(vars(args)))
        (tmp_path / "decode.yaml").write_text(yaml.safe_dump({"beam_search_config": SEARCH}))
        noise = np.random.default_rng(0).normal(0, 0.1, 8000)
        for name, size in (("long", 8000), ("short", 300)):
            soundfile.write(tmp_path / f"{name}.wav", noise[:size], 8000)
        (tmp_path / "wav.scp").write_text("".join(f"{n} {tmp_path}/{n}.wav\n" for n in ("long", "short")))
        return ["--output_dir", str(tmp_path / "out"), "--asr_model_file", str(tmp_path / "model.pth"),
                "--data_path_and_name_and_type", f"{tmp_path}/wav.scp,speech,sound", "--beam_size", "2",
                "--num_workers", "0", "--config", str(tmp_path / "decode.yaml")]
    return make


def hypotheses(folder):
    lines = (folder / "out/1best_recog/token").read_text().splitlines()
    return dict(line.split(maxsplit=1) for line in lines)


def test_stock_inference_decodes_a_conformer_transducer(experiment, tmp_path):
    from espnet2.bin.asr_transducer_inference import main as stock

    from audio_lottery.bin.asr_transducer_inference import main

    command = experiment("conformer")
    stock(command)
    expected = hypotheses(tmp_path)
    assert set(expected["long"].split()) <= set(TOKENS) and expected["short"] == "<space>"
    main(command)
    assert hypotheses(tmp_path) == expected


def test_own_inference_decodes_a_recurrent_transducer(experiment, tmp_path):
    from espnet2.bin.asr_transducer_inference import main as stock

    from audio_lottery.bin.asr_transducer_inference import main

    command = experiment("lstm")
    with pytest.raises(ValueError, match="not supported"):  # loudly, not a wrong text
        stock(command)
    main(command)
    found = hypotheses(tmp_path)
    assert found["short"] == "<space>"
    model = build("lstm").eval()
    model.load_state_dict(torch.load(tmp_path / "model.pth", weights_only=True))
    assert found["long"].split() == search(model, tmp_path / "long.wav")


def search(model, path):
    """ESPnet's search over the model's own encoding."""
    from espnet2.asr_transducer.beam_search_transducer import BeamSearchTransducer

    speech = torch.tensor(soundfile.read(path, dtype="float32")[0]).unsqueeze(0)
    with torch.no_grad():
        encoded, _ = model.encode(speech, torch.tensor([speech.shape[1]]))
        best = BeamSearchTransducer(model.decoder, model.joint_network, 2, **SEARCH)(encoded[0])[0]
    return [TOKENS[i] for i in best.yseq if i]


@pytest.mark.parametrize("option", [["--streaming", "true"], ["--batch_size", "2"]])
def test_what_a_recurrent_transducer_cannot_do_is_refused(experiment, option):
    from audio_lottery.bin.asr_transducer_inference import main

    with pytest.raises(LotteryError, match=option[0]):
        main([*experiment("lstm"), *option])


def test_a_model_of_another_configuration_is_refused(experiment, tmp_path):
    from audio_lottery.bin.asr_transducer_inference import main

    command = experiment("lstm")
    torch.save(build("gru").state_dict(), tmp_path / "model.pth")
    with pytest.raises(LotteryError, match="model.pth: not a model of"):
        main(command)
    (tmp_path / "model.pth").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(LotteryError, match="model.pth: damaged"):
        main(command)


@pytest.mark.parametrize("encoder", ["lstm", "conformer"])
def test_an_ngram_model_is_fused_by_options(experiment, tmp_path, encoder):
    """With a large weight the one sentence of the model's text is said; a model of other tokens is refused."""
    pytest.importorskip("kenlm", reason="KenLM's Python module is not installed")
    from audio_lottery.bin.asr_transducer_inference import main
    from audio_lottery.lm import arpa
    from audio_lottery.lm.counts import count_ngrams
    from audio_lottery.lm.kneser_ney import estimate

    words = [token for token in TOKENS if not token.startswith("<")]
    command = experiment(encoder)
    for name, sentence in (("lm", [words[0], words[1]]), ("other", ["x", "y", "z"])):
        model = estimate(count_ngrams([sentence] * 9 + [words if name == "lm" else sentence], 3))
        arpa.write(tmp_path / f"{name}.arpa", lambda model=model: arpa.lines(model), "<sos/eos>")
    main([*command, "--beam_size", "5", "--ngram_file", str(tmp_path / "lm.arpa"), "--ngram_weight", "1000",
          "--penalty", "500"])
    assert hypotheses(tmp_path)["long"].split() == words[:2]
    with pytest.raises(LotteryError, match="not the tokens of"):
        main([*command, "--ngram_file", str(tmp_path / "other.arpa")])
    with pytest.raises(LotteryError, match="--penalty 1"):
        main([*command, "--penalty", "1"])
