"""What stage 2 of run.sh is asked for: a copy of the script whose commands only show their arguments."""

import shlex
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def commands(tree, *options):
    done = subprocess.run(["./run.sh", "--stage", "2", "--stop_stage", "3", "--nj", "1", *options], cwd=tree,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in done.stdout.splitlines() if " stage " not in line]


def values(command):
    """Options of a command: name -> its values; what stands before them is left out."""
    found = {}
    for word in command[1:]:
        if word.startswith("--"):
            found[word] = []
        elif found:
            found[list(found)[-1]].append(word)
    return found


def test_by_default_each_set_is_formatted_and_no_more(tree):
    ran = commands(tree, "--test_sets", "test test_b")
    assert [command[0] for command in ran] == ["format"] * 4 + ["tokens"]
    assert [values(command)["--dump"] for command in ran[:4]] == [
        ["dump/raw/train"], ["dump/raw/dev"], ["dump/raw/test"], ["dump/raw/test_b"]]
    assert values(ran[0])["--max_wav_duration"] == ["20"] and values(ran[2])["--max_wav_duration"] == ["inf"]
    for command in ran[:4]:
        assert values(command)["--allow_pipes"] == ["false"]
        assert not {"--channel", "--speed_perturb_factors"} & set(command)


def test_speed_noise_and_features_follow_one_another(tree):
    ran = commands(tree, "--speed_perturb_factors", "0.9 1.0", "--noise_root", "'some noise'", "--train_snr", "0 20",
                   "--test_snrs", "10 -5", "--feats_type", "fbank", "--channel", "2", "--allow_pipes", "true")
    assert [command[0] for command in ran] == ["format"] * 3 + ["mix_noise"] * 3 + ["fbank"] * 5 + ["tokens"]
    formats, noises, features = ([values(command) for command in ran[i:j]] for i, j in ((0, 3), (3, 6), (6, 11)))
    assert formats[0]["--speed_perturb_factors"] == ["0.9 1.0"]
    assert all("--speed_perturb_factors" not in one for one in formats[1:])
    assert all(one["--channel"] == ["2"] and one["--allow_pipes"] == ["true"] for one in formats)
    train = "train_sp0.9_1.0_snr0to20"
    assert [(one["--data"], one["--out"], one["--snr"], one["--part"]) for one in noises] == [
        (["dump/raw/train_sp0.9_1.0"], [f"dump/raw/{train}"], ["0", "20"], ["train"]),
        (["dump/raw/test"], ["dump/raw/test_snr10"], ["10"], ["test"]),
        (["dump/raw/test"], ["dump/raw/test_snr-5"], ["-5"], ["test"])]
    assert all(one["--noise"] == [str(tree / "some noise")] for one in noises)
    assert [one["--probability"] for one in noises if "--probability" in one] == [["1"]]
    assert [one["--out"] for one in features] == [
        [f"dump/fbank/{name}"] for name in (train, "dev", "test", "test_snr10", "test_snr-5")]
    assert values(ran[-1])["--text"] == [f"dump/fbank/{train}/text"]


def test_noise_while_training_writes_no_training_set(tree):
    """Several kinds at once; babble is of the training set's voices; the search is told, statistics are not."""
    ran = commands(tree, "--noise_root", "'some noise' white babble", "--train_snr", "-5 20", "--noise_prob", "0.5",
                   "--noise_mode", "on_the_fly", "--test_snrs", "0", "--stop_stage", "5")
    assert [command[0] for command in ran] == ["format"] * 3 + ["mix_noise", "tokens", "stats", "find"]
    noise = [str(tree / "some noise"), "white", "babble=dump/raw/train"]
    assert values(ran[3])["--noise"] == noise and values(ran[3])["--part"] == ["test"]
    stats, find = ran[-2:]
    assert "--asr_args=" in stats
    assert values(find)["--train"] == ["dump/raw/train"]
    told = shlex.split(next(word for word in find if word.startswith("--asr_args=")).partition("=")[2])
    assert told == ["--train_noise", *noise, "--train_snr", "-5", "20", "--train_noise_prob", "0.5"]
    assert find[1].endswith("_snr-5to20p0.5_on_the_fly_imp")


def test_a_language_model_is_estimated_tuned_on_dev_and_decoded_with(tree):
    shutil.copy(ROOT / "utils/run_jobs.py", tree / "utils")
    ran = commands(tree, "--use_ngram", "true", "--ngram_order", "4", "--ngram_prune", "0 0 1", "--token_type", "char",
                   "--lm_weights", "0 0.5", "--lm_penalties", "0 1", "--stop_stage", "7", "--inference_nj", "1",
                   "--asr_tag", "x", "--decode_rounds", "0")
    ngram = next(values(command) for command in ran if command[0] == "ngram")
    assert ngram["--out"] == ["exp/ngram_char/4gram.arpa"] and ngram["--order"] == ["4"]
    assert ngram["--text"] == ["dump/raw/train/text"] and ngram["--utt_ids"] == ["true"]
    assert ngram["--prune"] == ["0 0 1"] and ngram["--token_type"] == ["char"]
    tune = next(values(command) for command in ran if command[0] == "tune_lm")
    assert tune["--dev"] == ["dev"] and tune["--ngram_file"] == ngram["--out"]
    assert tune["--weights"] == ["0", "0.5"] and tune["--penalties"] == ["0", "1"]
    decode = values(ran[-1])
    assert decode["--inference_config"] == tune["--out"] == ["exp/x/decode_asr_ngram.yaml"]
    assert decode["--tag"] == ["asr_ngram"]


def test_a_noise_experiment_searches_once_a_condition(tree):
    for name in ("noise_experiment.sh", "run_jobs.py"):
        shutil.copy(ROOT / "utils" / name, tree / "utils")
    ran = commands(tree, "--noise_experiment", "true", "--noise_root", "white", "--noise_levels", "clean 0:20",
                   "--test_snrs", "10 0", "--stop_stage", "8", "--inference_nj", "1", "--asr_tag", "x")
    finds = [command for command in ran if command[0] == "find" and "--last_round" in command]
    assert [command[1] for command in finds] == ["exp/x_clean", "exp/x_0to20"]
    assert [values(command)["--train"] for command in finds] == [["dump/raw/train"], ["dump/raw/train_snr0to20"]]
    scores = [values(command)["--sets"] for command in ran if command[0] == "score"]
    assert scores == [["dev", "test", "test_snr10", "test_snr0"]] * 2
    assert ran[-1][:5] == ["noise_table", "clean=exp/x_clean", "0 to 20 dB=exp/x_0to20", "--report", "exp/x_noise"]
