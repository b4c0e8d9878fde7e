"""Tables of multiply-accumulates: by part at several lengths of audio, and by module."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from audio_lottery.mask import Mask
from audio_lottery.metrics.macs import AsrMacs, Share
from audio_lottery.metrics.products import TensorMacs
from audio_lottery.scope import BIAS, classify
from audio_lottery.shares import module_of


@dataclass(frozen=True)
class ModuleMacs:
    """A module's parameters, those that remain, and its MACs with weights.

    A decoder's are those of a pass of as many tokens as AsrMacs.decoder tells.
    """

    name: str
    parameters: int
    kept: int
    dense: int
    sparse: int

    @property
    def density(self) -> float:
        """Fraction of the parameters that remains."""
        return self.kept / max(self.parameters, 1)


def parts(macs: AsrMacs) -> dict[str, Share]:
    """The rows of the table by part, the decoder's after the total, which leaves it out.

    Products of activations (front end, attention) have no weights: dense and sparse are the same.
    """
    def whole(number: int) -> Share:
        return Share(number, number)

    rows = {"front end": whole(macs.frontend), "encoder, weights": macs.encoder,
            "encoder, attention": whole(macs.attention), "output": macs.output,
            "total": Share(macs.dense, macs.sparse)}
    if macs.decoder:
        rows |= {"decoder, an utterance": macs.decoder.utterance, "decoder, a token": macs.decoder.token,
                 "decoder, a token's attention": whole(macs.decoder.attention)}
    return rows


def modules(model: nn.Module, mask: Mask | None, tensors: Mapping[str, TensorMacs]) -> list[ModuleMacs]:
    """One row a module, in network order; parameters without MACs (biases, norms, embeddings) count too."""
    kept = mask.kept_per_tensor if mask is not None else {}
    rows: dict[str, ModuleMacs] = {}
    for name, parameter in model.named_parameters():
        module = module_of(name)
        row, macs = rows.get(module, ModuleMacs(module, 0, 0, 0, 0)), tensors.get(name)
        rows[module] = ModuleMacs(module, row.parameters + parameter.numel(),
                                  row.kept + kept.get(name, parameter.numel()),
                                  row.dense + (macs.dense if macs else 0), row.sparse + (macs.sparse if macs else 0))
    return list(rows.values())


def uncounted(model: nn.Module, macs: AsrMacs) -> list[str]:
    """What may be missed: products of an unknown form, and matrices in none (position biases are only added)."""
    kinds = classify(model)
    return [name for name in macs.uncounted if kinds.get(name) != BIAS]


def text(counts: Sequence[AsrMacs], by_module: Sequence[ModuleMacs], missed: Sequence[str] = ()) -> str:
    """Both tables for people, in millions of MACs; the modules at the last length."""
    width = max(len(name) for name in [*parts(counts[0]), *(row.name for row in by_module)])
    lines = ["MACs in millions, dense and sparse", f"{'':{width}}  " + "  ".join(
        f"{f'{macs.seconds:g} s':>12} {'':>12}" for macs in counts).rstrip()]
    tables = [parts(macs) for macs in counts]
    for name in tables[0]:
        lines.append(f"{name:{width}}  " + "  ".join(
            f"{_millions(table[name].dense)} {_millions(table[name].sparse)}" for table in tables))
    last = counts[-1]
    at = f"at {last.seconds:g} s" + (f" and {last.decoder.tokens} tokens" if last.decoder else "")
    lines += ["", f"{f'by module, {at}':{width}}    parameters  density         dense       sparse"]
    lines += [f"{row.name:{width}}  {row.parameters:12,d}  {row.density:7.2%}  {_millions(row.dense)} "
              f"{_millions(row.sparse)}" for row in by_module]
    lines += [f"note: {name} took part in no product that is known: its MACs, if any, are not counted"
              for name in missed]
    return "\n".join(lines)


def _millions(number: int) -> str:
    return f"{number / 1e6:12,.3f}"
