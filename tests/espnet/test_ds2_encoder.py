"""The Deep Speech 2 encoder: padding, options, registration, decoding."""

import numpy as np
import pytest
import soundfile
import torch
import yaml

from audio_lottery.errors import LotteryError

SMALL = {"hidden_size": 6, "num_layers": 2, "channels": 3, "kernel_sizes": [[5, 5], [3, 3]],
         "strides": [[2, 2], [2, 1]]}
VARIANTS = [{"rnn_type": rnn, "bidirectional": both} for rnn in ("lstm", "gru") for both in (True, False)]


def build(**options):
    from audio_lottery.espnet.ds2_encoder import DS2Encoder

    torch.manual_seed(0)
    return DS2Encoder(13, **SMALL | options)


def batch():
    """Features of unequal lengths, not sorted, and the same with other padding of another length."""
    torch.manual_seed(1)
    lengths = torch.tensor([17, 30, 1, 22])
    x = torch.randn(4, 30, 13)
    other = torch.cat([x, torch.randn(4, 9, 13)], 1)
    for b, length in enumerate(lengths):
        other[b, length:] = torch.nan if b % 2 else 1e6
    return x, other, lengths


@pytest.mark.parametrize("options", VARIANTS)
def test_a_batch_gives_what_its_utterances_give_alone(options):
    encoder = build(**options)
    with torch.no_grad():  # running statistics that are not the initial ones
        for _ in range(3):
            encoder(torch.randn(4, 40, 13) * 3 + 1, torch.full((4,), 40))
        encoder.eval()
        x, padded, lengths = batch()
        y, out, states = encoder(padded, lengths)
        assert states is None and y.shape[2] == encoder.output_size()
        for b, length in enumerate(lengths.tolist()):
            alone, (frames,), _ = encoder(x[b : b + 1, :length], lengths[b : b + 1])
            assert out[b] == frames == alone.shape[1]
            torch.testing.assert_close(y[b : b + 1, :frames], alone)
            assert torch.all(y[b, frames:] == 0)


def test_padding_has_no_part_in_training():
    x, padded, lengths = batch()
    results = []
    for features in (x, padded):
        encoder = build()
        y, out, _ = encoder(features, lengths)
        y[:, : int(out.max())].square().sum().backward()
        results.append((y[:, : int(out.max())].detach(), dict(encoder.named_buffers()),
                        {n: p.grad for n, p in encoder.named_parameters()}))
    torch.testing.assert_close(*results)


def test_batch_statistics_are_those_of_the_valid_frames():
    from audio_lottery.espnet.ds2_encoder import SequenceBatchNorm2d, valid_frames

    x, lengths = torch.randn(2, 3, 8, 5), torch.tensor([8, 3])
    norm = SequenceBatchNorm2d(3)
    y = norm(x, valid_frames(lengths, 8))
    frames = torch.cat([x[0], x[1, :, :3]], 1)  # (C, frames, F)
    expected = (frames - frames.mean((1, 2), keepdim=True)) / frames.std((1, 2), keepdim=True, correction=0)
    torch.testing.assert_close(torch.cat([y[0], y[1, :, :3]], 1), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(norm.running_mean, 0.1 * frames.mean((1, 2)))


@pytest.mark.parametrize("options", VARIANTS)
def test_layers_and_directions_have_matrices_of_their_own(options):
    encoder = build(**options)
    gates = 4 if options["rnn_type"] == "lstm" else 3
    names = dict(encoder.named_parameters())
    directions = ("forward", "backward") if options["bidirectional"] else ("forward",)
    for layer in range(2):
        for direction in directions:
            assert names[f"rnns.{layer}.{direction}_rnn.weight_hh_l0"].shape == (gates * 6, 6)
            assert names[f"rnns.{layer}.{direction}_rnn.weight_ih_l0"].shape[0] == gates * 6
    assert len([n for n in names if "_rnn.weight" in n]) == 2 * 2 * len(directions)


def test_subsampling_is_the_product_of_the_strides():
    _, lengths, _ = build()(torch.randn(2, 33, 13), torch.tensor([33, 32]))
    assert lengths.tolist() == [9, 8]


def test_the_defaults_are_the_papers():
    from audio_lottery.espnet.ds2_encoder import DS2Encoder

    with torch.device("meta"):
        names = {n: tuple(p.shape) for n, p in DS2Encoder(161).named_parameters()}
    assert names["convs.0.conv.weight"] == (32, 1, 11, 41)
    assert names["convs.1.conv.weight"] == (32, 32, 11, 21)
    assert names["rnns.0.forward_rnn.weight_ih_l0"] == (4096, 32 * 41)
    assert names["rnns.4.backward_rnn.weight_hh_l0"] == (4096, 1024)


@pytest.mark.parametrize(("options", "message"), [
    ({"rnn_type": "elman"}, "rnn_type"), ({"hidden_size": 0}, "hidden_size"),
    ({"kernel_sizes": [[4, 5], [3, 3]]}, "odd"), ({"strides": [[2, 2]]}, "as many"),
])
def test_bad_options_are_refused(options, message):
    with pytest.raises(LotteryError, match=message):
        build(**options)


def test_own_command_decodes_what_stock_inference_refuses(tmp_path):
    import subprocess
    import sys

    from espnet2.bin.asr_inference import Speech2Text
    from espnet2.tasks.asr import ASRTask

    import audio_lottery.espnet.ds2_encoder  # noqa: F401
    from audio_lottery.bin.asr_inference import main

    args = ASRTask.get_parser().parse_args(["--output_dir", "x", "--encoder", "ds2"])
    args.token_list, args.token_type = ["<blank>", "<unk>", "one", "two", "<sos/eos>"], "word"
    args.frontend_conf = {"fs": 8000, "n_fft": 128, "hop_length": 80, "n_mels": 20}
    args.encoder_conf, args.model_conf = SMALL, {"ctc_weight": 1.0}
    torch.manual_seed(0)
    model = ASRTask.build_model(args)
    torch.nn.init.normal_(model.ctc.ctc_lo.weight, std=3)
    torch.save(model.state_dict(), tmp_path / "model.pth")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    speech = np.random.default_rng(0).normal(0, 0.1, 8000).astype("float32")
    soundfile.write(tmp_path / "a.wav", speech, 8000, subtype="FLOAT")
    (tmp_path / "wav.scp").write_text(f"a {tmp_path}/a.wav\n")
    command = ["--output_dir", str(tmp_path / "out"), "--asr_model_file", str(tmp_path / "model.pth"),
               "--data_path_and_name_and_type", f"{tmp_path}/wav.scp,speech,sound", "--beam_size", "1",
               "--ctc_weight", "1.0", "--num_workers", "0"]
    main(command)
    ids = (tmp_path / "out/1best_recog/token_int").read_text().split()[1:]
    speech2text = Speech2Text(asr_model_file=tmp_path / "model.pth", beam_size=1, ctc_weight=1.0)
    assert len(ids) > 0 and list(map(int, ids)) == speech2text(speech)[0][2]
    stock = subprocess.run([sys.executable, "-m", "espnet2.bin.asr_inference", *command],
                           capture_output=True, text=True, check=False)
    assert stock.returncode != 0 and "ds2" in stock.stderr
