"""A round of a search as a folder ready for a model hub: ESPnet model, ticket, what training it again needs, card.

``asr/`` is an ESPnet model, packed by ``espnet2.bin.pack`` into NAME.zip and described by ``meta.yaml``, as ESPnet's
model zoo reads them; ``ticket/model.ticket`` is for the engine; ``source/`` is read by ``--source_ticket``.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import yaml

from audio_lottery.config_file import load
from audio_lottery.errors import LotteryError
from audio_lottery.espnet.tasks import resolve
from audio_lottery.export import folder, summary, ticket_file
from audio_lottery.export.card import About, card
from audio_lottery.fileio import atomic_path, read_yaml, write_text
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.report.keep import recipe_of, shown_commands, without_paths
from audio_lottery.report.table import collect


def share(exp: Path, number: int, out: Path, about: About, dev: str, inference: str | None = None) -> list[Path]:
    """Write the folder; its files. Raises LotteryError where ``out`` holds other things than an earlier share's."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "meta.yaml").is_file())):
        raise LotteryError(f"{out}: not an empty folder: give a new name")
    layout = Layout(exp)
    ticket = folder.from_folder(layout.round(number))
    folder.to_folder(ticket, out / "asr")
    config = out / "asr" / "config.yaml"
    _make_relative(config, out)
    path = out / "ticket" / "model.ticket"
    ticket_file.write(path, ticket, "fp16")
    sizes = summary.summarise(ticket_file.open_reader(path))
    _pack(out, about.name)
    rows = Ledger(layout.ledger).rows
    rate = (ticket.config.get("frontend_conf") or {}).get("fs")
    commands = [str(without_paths(line, recipe_of(exp))) for line in shown_commands(exp / "report" / "RESULTS.md")]
    text = card(about, collect(rows, dev, inference), number, encoder=str(ticket.config.get("encoder")),
                command=f"{resolve('auto', config)}_inference",
                source=_source(layout, number, out), size=sizes["file_bytes"], dense_size=sizes["dense_bytes"],
                rate=rate if isinstance(rate, int) else None, commands=commands)
    write_text(out / "README.md", text)
    return sorted(path for path in out.rglob("*") if path.is_file())


def _make_relative(config: Path, out: Path) -> None:
    """Name the files beside a configuration as espnet2.bin.pack finds them from ``out``."""
    values = read_yaml(config)
    values["bpemodel"] = values.get("bpemodel") and "asr/bpe.model"
    if (out / "asr" / "feats_stats.npz").exists():
        values["normalize_conf"]["stats_file"] = "asr/feats_stats.npz"
    write_text(config, yaml.safe_dump(without_paths(values, None), allow_unicode=True, sort_keys=False))


def _pack(out: Path, name: str) -> None:
    """NAME.zip by ESPnet's own command, and its meta.yaml beside the files."""
    also = [f"asr/{one}" for one in ("bpe.model", "feats_stats.npz", "tokens.txt") if (out / "asr" / one).exists()]
    command = [sys.executable, "-m", "espnet2.bin.pack", "asr", "--asr_train_config", "asr/config.yaml",
               "--asr_model_file", "asr/model.pth", "--outpath", f"{name}.zip"]
    done = subprocess.run([*command, *(word for one in also for word in ("--option", one))], cwd=out,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise LotteryError(f"{out}: espnet2.bin.pack: {(done.stderr.strip().splitlines() or ['no reason'])[-1]}: "
                           "mend that, then share again")
    with zipfile.ZipFile(out / f"{name}.zip") as archive:
        write_text(out / "meta.yaml", archive.read("meta.yaml").decode())


def _source(layout: Layout, number: int, out: Path) -> str:
    """Write source/, a search's folder of one round, and return run.sh's options that train from it.

    Where rounds don't start from initial weights, the ticket file's mask is what can be taken elsewhere.
    """
    config = load(layout.config)
    start = layout.start(config.rewind)
    if config.restart != "rewind" or not number or not start.exists():
        return "--source_ticket FOLDER/ticket/model.ticket --source_weights false"
    there = Layout(out / "source")
    for one in (start, layout.mask(number)):
        with atomic_path(there.folder / one.relative_to(layout.folder)) as temporary:
            temporary.write_bytes(one.read_bytes())
    write_text(there.round(0) / "config.yaml", (out / "asr" / "config.yaml").read_text(encoding="utf-8"))
    write_text(there.config, yaml.safe_dump(without_paths(config.to_dict(), recipe_of(layout.folder))))
    return f"--source_ticket FOLDER/source --source_round {number}"
