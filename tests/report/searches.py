"""Finished searches made up on the spot: ledgers, masks, logs and transcripts of any number of rounds and seeds."""

import random
from pathlib import Path

import torch
import yaml

from audio_lottery.fileio import write_jsonl
from audio_lottery.layout import Layout
from audio_lottery.mask import Mask
from audio_lottery.metrics import errors
from audio_lottery.metrics.trn import write_trn
from audio_lottery.metrics.wer import count_texts, total

DIGITS = "zero one two three four five six seven eight nine".split()
PARTS = ("self_attn.linear_q", "feed_forward.w_1")
LAYERS = [f"encoder.encoders.{n}.{part}.weight" for n in range(12) for part in PARTS]


def make(folder: Path, seed: int, rounds: int, sets=("dev", "test"), epochs: int = 10, utterances: int = 40) -> Path:
    """A search of rounds 0 to ``rounds``; the sparser, the more errors, drawn with ``seed``."""
    layout, draw = Layout(folder), random.Random(seed)
    layout.folder.mkdir(parents=True)
    layout.config.write_text(yaml.safe_dump({"rounds": rounds, "rate": 0.2}))
    texts = {name: {f"s-{name}-{n:03d}": " ".join(draw.choices(DIGITS, k=6)) for n in range(utterances)}
             for name in sets}
    rows, kept = [], {name: torch.ones(16, 16, dtype=torch.bool) for name in LAYERS}
    for number in range(rounds + 1):
        density = 0.8**number
        if number:
            for tensor in kept.values():
                tensor &= torch.rand(16, 16, generator=torch.Generator().manual_seed(1000 * seed + number)) < 0.8
            Mask({name: tensor.clone() for name, tensor in kept.items()}).save(layout.mask(number))
        rows.append({"round": number, "seed": seed, "epochs": epochs, "steps": 100 * epochs, "train_seconds": 60.0,
                     "density_scope": density, "density_whole": 0.02 + 0.98 * density, "rate": 0.2 if number else None,
                     "macs": {"seconds": 10.0, "dense": 10**9, "sparse": int(10**9 * (0.05 + 0.95 * density))},
                     "scores": {"greedy": {}}})
        _log(layout.round(number), draw, epochs, density)
        for name in sets:
            rows[-1]["scores"]["greedy"][name] = _score(layout, number, name, texts[name], draw, rows[0])
    write_jsonl(layout.ledger, rows)
    for name in sets:
        errors.record(folder, "greedy", name, {row["round"]: row["scores"]["greedy"][name] for row in rows})
    return folder


def _log(folder: Path, draw: random.Random, epochs: int, density: float) -> None:
    folder.mkdir(parents=True)
    lines = [f"[vm] 2026-01-01 00:00:00,000 (trainer:392) INFO: {epoch}epoch results: [train] loss=9.000, "
             f"time=1 second, [valid] loss={20 / epoch + 5 / (density + 0.5) + draw.random():.3f}, acc=nan, "
             f"cer_ctc={1 / epoch:.3f}, density_scope={density:.3f}, time=1 second, total_count=1"
             for epoch in range(1, epochs + 1)]
    (folder / "train.log").write_text("\n".join(lines) + "\n")


def _score(layout: Layout, number: int, name: str, texts: dict[str, str], draw: random.Random, dense: dict) -> dict:
    chance = 0.02 + 0.2 * (1 - 0.8**number) ** 6
    heard = {utt: " ".join(draw.choice(DIGITS) if draw.random() < chance else word for word in text.split())
             for utt, text in texts.items()}
    where = layout.round(number) / "decode_greedy" / name / "score_wer"
    speakers = dict.fromkeys(texts, "s")
    write_trn(where / "ref.trn", texts, speakers)
    write_trn(where / "hyp.trn", heard, speakers)
    counts = total(count_texts(texts, heard))
    first = dense["scores"]["greedy"].get(name)
    matching = first is None or counts.rate <= first["wer"] + 3
    return {"wer": counts.rate, "errors": counts.errors, "words": counts.words, "sub": counts.substituted,
            "del": counts.deleted, "ins": counts.inserted, "utterances": len(texts), "scorer": "python",
            "ci": [max(0.0, counts.rate - 2), counts.rate + 2], "p_worse": 0.5 if matching else 0.01,
            "matches": matching, "test": "permutation", "alpha": 0.05}
