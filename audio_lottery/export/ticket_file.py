"""A ticket as one ``.ticket`` file: the exact mask, the values, and all that a recogniser needs.

``format.md`` describes the file byte for byte. Reading needs numpy and zstandard, not torch, and
executes nothing from the file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from audio_lottery.errors import LotteryError
from audio_lottery.export import container, maskcode, schema, values
from audio_lottery.export.arrays import Tensor, from_any

MODES = {"fp32": "exact", "fp16": "fp16", "int8": "int8"}
# Tensors of a state dict that are no parameters: statistics of norms and features, mel filters.
BUFFERS = re.compile(r"(^|\.)(running_mean|running_var|num_batches_tracked|melmat)$|^normalize\.(mean|std)$")
SMALL = 4096  # unpruned tensors with fewer elements stay exact: norms, biases, batch-norm buffers
MAX_TOKENIZER = 64 << 20


@dataclass
class TicketFile:
    """What a ticket file holds.

    tensors: the whole state dict, in order, +0 (or the exact zero it was) where pruned
    masks: bool arrays of the pruned tensors' shapes, True = kept
    config: the ESPnet configuration; tokens: the token list, index = id
    tokenizer: bytes of the SentencePiece model, where there is one
    statistics: arrays of the feature statistics (ESPnet's feats_stats.npz), where there are any
    provenance: where the ticket came from; free, JSON
    codes: after reading int8, tensor name -> (int8 codes, float32 scale of each row)
    """

    tensors: dict[str, Tensor]
    masks: dict[str, np.ndarray]
    config: dict
    tokens: list[str]
    tokenizer: bytes | None = None
    statistics: dict[str, np.ndarray] | None = None
    provenance: dict = field(default_factory=dict)
    codes: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


def make(state: Mapping, masks: Mapping, config: dict, tokens: list[str], **more) -> TicketFile:
    """A :class:`TicketFile` from torch or numpy tensors, checked: pruned weights must be zero.

    ``more``: ``tokenizer``, ``statistics``, ``provenance``.
    """
    tensors = {name: from_any(name, value) for name, value in state.items()}
    bools = {name: from_any(name, mask).data for name, mask in masks.items()}
    for name, mask in bools.items():
        tensor = tensors.get(name)
        if tensor is None:
            raise LotteryError(f"{name}: in the mask but not in the model: give the mask of this model")
        if mask.dtype != bool or mask.shape != tensor.data.shape or tensor.data.itemsize > 8:
            raise LotteryError(
                f"{name}: mask {mask.dtype} {mask.shape} does not fit the tensor "
                f"{tensor.dtype} {tensor.data.shape}: give the mask of this model"
            )
        bits = _bits(tensor.data)[~mask]
        wrong = int(np.count_nonzero(bits & (_top(bits) - bits.dtype.type(1))))
        if wrong:
            raise LotteryError(
                f"{name}: {wrong} pruned weights are not zero: give the model that was trained with this mask"
            )
    return TicketFile(tensors, bools, config, list(tokens), **more)


def write(path: str | Path, ticket: TicketFile, mode: str = "fp32") -> None:
    """Write a ticket; ``mode`` says how values are kept: ``fp32`` exact, ``fp16``, ``int8``."""
    container.write(path, to_sections(ticket, mode))


def read(path: str | Path, limit: int | None = None) -> TicketFile:
    """Read a ticket file; whatever is wrong with it is a :class:`LotteryError` naming the section."""
    return from_reader(open_reader(path, limit))


def open_reader(path: str | Path, limit: int | None = None) -> container.Reader:
    """The sections of a file, not yet unpacked."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise LotteryError(f"{path}: {error.strerror or error}: check the path") from None
    return container.Reader(data, str(path), limit)


def to_sections(ticket: TicketFile, mode: str) -> dict[str, bytes]:
    """The raw bytes of every section."""
    entries, marks, signs, scales = [], [], [], []
    kept: dict[bool, list[np.ndarray]] = {True: [], False: []}
    for name, tensor in ticket.tensors.items():
        mask = ticket.masks.get(name)
        # Mel filters of 8 bits would change every feature, and exact they are small: most are zeros.
        exact = mask is None and (tensor.data.size < SMALL or BUFFERS.search(name) is not None)
        encoding = "exact" if exact else values.choose(tensor, MODES[mode])
        layout, signed = None, False
        if mask is not None:
            layout, flags = maskcode.split(mask)
            marks.append(flags)
            if encoding == "exact":
                bits = _bits(tensor.data)[~mask] != 0
                signed = bool(bits.any())
                signs += [bits] if signed else []
        part, scale = values.encode(tensor, mask, encoding)
        kept[mask is not None].append(part)
        scales += [] if scale is None else [scale]
        entries.append(schema.Entry(name, tensor.dtype, tensor.data.shape, encoding, layout, signed))
    sections = {"index": schema.dump([entry.json() for entry in entries])}
    for name in ("config", "tokens", "provenance"):
        sections[name] = _json(name, getattr(ticket, name))
    if ticket.tokenizer is not None:
        sections["tokenizer"] = ticket.tokenizer
    if ticket.statistics is not None:
        sections["statistics"] = _json(
            "statistics",
            {
                name: {
                    "dtype": array.dtype.name,
                    "shape": list(array.shape),
                    "data": array.reshape(-1).tolist(),
                }
                for name, array in ticket.statistics.items()
            },
        )
    sections["mask"] = maskcode.encode(np.concatenate(marks)) if marks else b""
    if signs:
        sections["signs"] = np.packbits(np.concatenate(signs)).tobytes()
    sections["scales"] = values.join_planes(scales)
    sections["values"] = values.join_planes(kept[True])
    sections["dense"] = values.join_planes(kept[False])
    return sections


def from_reader(reader: container.Reader) -> TicketFile:
    """The whole ticket, every section verified."""
    entries = schema.load_index(reader)
    ticket = TicketFile({}, _masks(reader, entries), schema.load(reader, "config", dict), _tokens(reader))
    ticket.provenance = schema.load(reader, "provenance", dict)
    if "tokenizer" in reader.sections:
        ticket.tokenizer = reader.raw("tokenizer", MAX_TOKENIZER)
    if "statistics" in reader.sections:
        ticket.statistics = _statistics(reader)
    kept = {
        entry.name: part
        for is_masked, name in ((True, "values"), (False, "dense"))
        for entry, part in _parts(
            reader, name, [e for e in entries if (e.layout is not None) == is_masked], ticket.masks
        )
    }
    scaled = [entry for entry in entries if entry.encoding == "int8"]
    sizes = [(2, entry.shape[0]) for entry in scaled]
    scales = {
        entry.name: part.view("<u2")
        for entry, part in zip(scaled, _planes(reader, "scales", sizes), strict=True)
    }
    for entry in entries:
        mask = ticket.masks.get(entry.name)
        data, codes = values.decode(
            kept[entry.name], scales.get(entry.name), mask, entry.shape, entry.dtype, entry.encoding
        )
        ticket.tensors[entry.name] = Tensor(entry.dtype, data)
        if codes is not None:
            ticket.codes[entry.name] = (codes, values.widen(scales[entry.name]))
    _restore_signs(reader, [entry for entry in entries if entry.signs], ticket)
    return ticket


def _bits(data: np.ndarray) -> np.ndarray:
    return data.view(f"<u{data.itemsize}")


def _top(bits: np.ndarray):
    return bits.dtype.type(1 << (8 * bits.itemsize - 1))


def _json(name: str, value: object) -> bytes:
    try:
        raw = schema.dump(value)
    except (TypeError, ValueError) as error:
        raise LotteryError(
            f"{name}: not JSON ({error}): keep plain numbers, texts, lists and maps in it"
        ) from None
    if len(raw) > schema.MAX_JSON:
        raise LotteryError(f"{name}: {len(raw)} bytes, at most {schema.MAX_JSON} fit: shorten it")
    return raw


def _masks(reader: container.Reader, entries: list[schema.Entry]) -> dict[str, np.ndarray]:
    masked = [entry for entry in entries if entry.layout is not None]
    size = sum(entry.units() for entry in masked)
    count = sum(entry.layout.marks for entry in masked)
    raw = reader.raw("mask", count + size // maskcode.CONTINUE)
    try:
        marks = maskcode.decode(raw, size, count)
    except ValueError as error:
        raise reader.error("section mask", str(error)) from None
    masks, start = {}, 0
    for entry in masked:
        part = marks[start : start + entry.units()]
        if int(np.count_nonzero(part)) != entry.layout.marks:
            raise reader.error("section mask", f"wrong number of marks for {entry.name}")
        masks[entry.name] = maskcode.join(entry.shape, entry.layout, part)
        start += entry.units()
    return masks


def _parts(reader: container.Reader, name: str, entries: list[schema.Entry], masks: dict[str, np.ndarray]):
    counts = [int(np.count_nonzero(masks[e.name])) if e.layout is not None else e.size for e in entries]
    sizes = [(values.width(e.dtype, e.encoding), n) for e, n in zip(entries, counts, strict=True)]
    parts = _planes(reader, name, sizes)
    for entry, part in zip(entries, parts, strict=True):
        if entry.dtype == "bool" and (part > 1).any():
            raise reader.error(f"section {name}", f"{entry.name} holds a bool that is neither 0 nor 1")
    return zip(entries, parts, strict=True)


def _planes(reader: container.Reader, name: str, sizes: list[tuple[int, int]]) -> list[np.ndarray]:
    try:
        return values.split_planes(reader.raw(name, sum(wide * count for wide, count in sizes)), sizes)
    except ValueError as error:
        raise reader.error(f"section {name}", str(error)) from None


def _tokens(reader: container.Reader) -> list[str]:
    tokens = schema.load(reader, "tokens", list)
    if not all(type(token) is str and "\n" not in token for token in tokens):
        raise reader.error("section tokens", "holds something that is not a token")
    return tokens


def _statistics(reader: container.Reader) -> dict[str, np.ndarray]:
    out = {}
    for name, row in schema.load(reader, "statistics", dict).items():
        try:
            if row["dtype"] not in ("float32", "float64", "int64") or not name.isidentifier():
                raise ValueError(f"name or dtype of {name[:80]!r}")
            with np.errstate(over="ignore"):
                out[name] = np.array(row["data"], row["dtype"]).reshape(row["shape"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise reader.error("section statistics", f"wrong entry ({error})") from None
    return out


def _restore_signs(reader: container.Reader, entries: list[schema.Entry], ticket: TicketFile) -> None:
    where = [~ticket.masks[entry.name] for entry in entries]
    size = sum(int(np.count_nonzero(pruned)) for pruned in where)
    if not size:
        return
    raw = np.frombuffer(reader.raw("signs", (size + 7) // 8), "u1")
    if len(raw) != (size + 7) // 8:
        raise reader.error("section signs", "wrong size")
    flags, start = np.unpackbits(raw, count=size), 0
    for entry, pruned in zip(entries, where, strict=True):
        data = ticket.tensors[entry.name].data
        bits = _bits(data)
        part = flags[start : start + int(np.count_nonzero(pruned))]
        bits[pruned] = part * _top(bits)
        start += len(part)
