"""The model card of a shared ticket: a README.md that a model hub reads, its numbers from the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from audio_lottery.report.table import MISSING, Results, giga, interval, p_value, percent


@dataclass(frozen=True)
class About:
    """What no ledger knows. licence and language: as model hubs write them (apache-2.0, en); datasets: names."""

    name: str
    licence: str | None = None
    language: str | None = None
    datasets: Sequence[str] = ()


def card(about: About, results: Results, number: int, *, encoder: str, command: str, source: str, size: int,
         dense_size: int, rate: int | None, commands: Sequence[str] = ()) -> str:
    """The card's text.

    command: audio-lottery's for decoding with ESPnet; source: run.sh's options that train the ticket elsewhere;
    size: bytes of the ticket file.
    """
    row = next(row for row in results.rows if row["round"] == number)
    sections = [_front(about, results, number), f"# {about.name}", _what(row, number, encoder, size, dense_size, rate),
                "## Results\n\n" + _table(results, number), "## Use\n\n" + _use(about.name, command, source),
                "## How it was made\n\n" + _made(row, commands), _licence(about)]
    return "\n\n".join(sections) + "\n"


def _front(about: About, results: Results, number: int) -> str:
    """The fields at the top that hubs read."""
    fields: dict = {"tags": ["espnet", "audio", "automatic-speech-recognition", "audio-lottery", "sparse"],
                    "library_name": "espnet", "pipeline_tag": "automatic-speech-recognition",
                    "license": about.licence or "unknown"}
    if about.language:
        fields["language"] = about.language
    if about.datasets:
        fields["datasets"] = list(about.datasets)
    scored = [(name, results.score(number, name)) for name in results.tests]
    fields["model-index"] = [{"name": about.name, "results": [
        {"task": {"type": "automatic-speech-recognition"},
         "dataset": {"type": ", ".join(about.datasets) or "unknown", "name": name},
         "metrics": [{"type": "wer", "value": round(score["wer"], 2)}]} for name, score in scored if score]}]
    return "---\n" + yaml.safe_dump(fields, sort_keys=False, allow_unicode=True) + "---"


def _what(row: Mapping, number: int, encoder: str, size: int, dense_size: int, rate: int | None) -> str:
    macs = row.get("macs") or {}
    work = (f"{giga(macs['sparse'])} of {giga(macs['dense'])} multiply-accumulates for {macs['seconds']:g} s of "
            "speech,\n") if macs else ""
    speech = f"Speech at {rate} Hz. " if rate else ""
    return (f"A sparse speech recogniser ({encoder} encoder), found as round {number} of a search for winning "
            f"tickets.\n{speech}It keeps {percent(row.get('density_whole'))}% of the model's weights "
            f"({percent(row.get('density_scope'))}% of those that may be pruned), {work}and {size:,} bytes as a ticket "
            f"file, {dense_size / size:.1f} times less than the dense weights.\nAs an ESPnet model its pruned weights "
            "are exact zeros, so that file is not smaller than a dense one.")


def _table(results: Results, number: int) -> str:
    heads = ["", "model %", *(f"{name} {what}" for what in ("WER [95% CI]", "p") for name in results.sets)]
    rows = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for name, one in (("dense", 0), (f"this ticket (round {number})", number)):
        row = next((row for row in results.rows if row["round"] == one), {})
        scores = [results.score(one, dataset) for dataset in results.sets]
        tested = [score["p_worse"] if score and one and score.get("p_worse") is not None else None for score in scores]
        rows.append([name, percent(row.get("density_whole")), *map(interval, scores),
                     *(MISSING if p is None else p_value(p) for p in tested)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + (
        "\n\nWER in %, intervals by bootstrap over utterances. p: of the paired test for \"worse than the dense "
        f"model\".\nChosen on {results.dev}; other sets chose nothing. Decoding: {results.inference or 'none yet'}.")


def _use(name: str, command: str, source: str) -> str:
    return f"""With the sparse engine, which needs neither torch nor ESPnet:

```sh
audio-lottery transcribe ticket/model.ticket audio.wav
```

With ESPnet, in this folder (`{name}.zip` is the same, packed by `espnet2.bin.pack`):

```sh
audio-lottery {command} --asr_train_config asr/config.yaml --asr_model_file asr/model.pth \\
    --data_path_and_name_and_type wav.scp,speech,sound --output_dir decoded
```

Train the ticket on your own corpus, in one of audio_lottery's recipes:

```sh
./run.sh --stage 5 {source}
```"""


def _made(row: Mapping, commands: Sequence[str]) -> str:
    facts = [f"{key} {value}" for key, value in (row.get("versions") or {}).items()]
    facts += [f"{key} {row[key]}" for key in ("seed", "epochs", "rewind") if row.get(key) is not None]
    block = "\n\n" + "\n".join(["```sh", *commands, "```"]) if commands else ""
    return "audio_lottery, after \"Audio Lottery\" (Ding, Chen, Wang, ICLR 2022). " + ", ".join(facts) + "." + block


def _licence(about: About) -> str:
    known = f"The weights: {about.licence}." if about.licence else "The licence of these weights is not stated."
    data = f" Trained on {', '.join(about.datasets)}; its terms hold too." if about.datasets else ""
    return f"## Licence\n\n{known}{data} The toolkit: Apache-2.0."
