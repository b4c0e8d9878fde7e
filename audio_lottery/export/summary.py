"""What a ticket file holds, counted from the file; and whether it agrees with a model."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from audio_lottery.errors import LotteryError
from audio_lottery.export import schema, ticket_file
from audio_lottery.export.arrays import STORAGE, from_any, to_torch
from audio_lottery.export.container import Reader
from audio_lottery.export.front_end import ADDED
from audio_lottery.export.maskcode import matrix_shape
from audio_lottery.export.ticket_file import TicketFile

# Stated bounds of the error of one value, as a fraction of the largest magnitude in its row.
BOUNDS = {"exact": 0.0, "fp16": 2.0**-11, "int8": (1 + 2.0**-6) / 254}
TINY = 2.0**-25  # fp16 below its normal range: half of its smallest step, absolute


def summarise(reader: Reader) -> dict:
    """Sizes in bytes, densities (remaining / all, of the parameters, as the ledger's), encodings and provenance."""
    entries = schema.load_index(reader)
    ticket = ticket_file.from_reader(reader)
    scope = sum(mask.size for mask in ticket.masks.values())
    kept = sum(int(np.count_nonzero(mask)) for mask in ticket.masks.values())
    whole = sum(entry.size for entry in entries if not ticket_file.BUFFERS.search(entry.name))
    dense = sum(entry.size * np.dtype(STORAGE[entry.dtype]).itemsize for entry in entries)
    return {
        "file_bytes": len(reader.data),
        "dense_bytes": dense,
        "times_smaller": dense / len(reader.data),
        "tensors": len(entries),
        "weights": whole,
        "weights_scope": scope,
        "weights_kept": kept,
        "density_scope": kept / scope if scope else 1.0,
        "density_whole": (whole - scope + kept) / whole if whole else 1.0,
        "encodings": dict(Counter(entry.encoding for entry in entries)),
        "units": dict(Counter(f"{e.layout.unit[0]}x{e.layout.unit[1]}" for e in entries if e.layout)),
        "tokens": len(ticket.tokens),
        "encoder": ticket.config.get("encoder"),
        "provenance": ticket.provenance,
        "sections": {s.name: {"stored": s.stored, "raw": s.raw} for s in reader.sections.values()},
    }


def text(report: dict) -> str:
    """The summary for people."""
    lines = [
        f"{report['file_bytes']} bytes, {report['times_smaller']:.1f}x smaller than dense",
        f"{report['weights_kept']} of {report['weights_scope']} weights in scope ({report['density_scope']:.2%}), "
        f"{report['density_whole']:.2%} of the whole model",
        f"encoder {report['encoder']}, {report['tokens']} tokens, values "
        + ", ".join(f"{name} ({count} tensors)" for name, count in report["encodings"].items()),
        "sections (bytes stored, unpacked):",
        *(f"  {name:<12}{size['stored']:>12}{size['raw']:>12}" for name, size in report["sections"].items()),
        "provenance:",
        *(f"  {key}: {value}" for key, value in report["provenance"].items()),
    ]
    return "\n".join(lines)


def compare(reader: Reader, ticket: TicketFile, state: Mapping) -> float:
    """The worst error as a fraction of a row's largest magnitude; 0 means bit for bit.

    A tensor outside its encoding's bound, or that only one side has, is a :class:`LotteryError`. A front end that
    the ticket was given (see :mod:`audio_lottery.export.front_end`) may be missing in the model.
    """
    if ADDED in ticket.provenance:
        own = to_torch({name: tensor for name, tensor in ticket.tensors.items() if name.startswith("frontend.")})
        state = {**own, **state}
    if list(state) != list(ticket.tensors):
        odd = sorted(set(state) ^ set(ticket.tensors))
        raise LotteryError(
            f"{reader.name}: other tensors than the model ({', '.join(odd[:3]) or 'their order'}): "
            "give the model the ticket was made from"
        )
    worst = 0.0
    for entry in schema.load_index(reader):
        ours, theirs = ticket.tensors[entry.name], from_any(entry.name, state[entry.name])
        if theirs.dtype != ours.dtype or theirs.data.shape != ours.data.shape:
            raise LotteryError(f"{reader.name}: {entry.name} has another shape or dtype than in the model")
        if entry.encoding == "exact":
            if ours.data.tobytes() != theirs.data.tobytes():
                raise LotteryError(f"{reader.name}: {entry.name} differs from the model: pack it again")
            continue
        a, b = (x.data.reshape(matrix_shape(entry.shape)).astype(np.float64) for x in (ours, theirs))
        top = np.abs(b).max(1, initial=0.0)
        over = np.abs(a - b).max(1, initial=0.0) - (TINY if entry.encoding == "fp16" else 0.0)
        share = float((over / np.where(top > 0, top, 1.0)).max(initial=0.0))
        if share > BOUNDS[entry.encoding]:
            raise LotteryError(
                f"{reader.name}: {entry.name} is {share:.2g} of a row's maximum away from the model "
                f"({entry.encoding} allows {BOUNDS[entry.encoding]:.2g}): pack it again"
            )
        worst = max(worst, share)
    return worst
