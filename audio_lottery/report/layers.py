"""Density and sign changes of each layer in each round of a search."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from audio_lottery import snapshot
from audio_lottery.analysis import sign_changes
from audio_lottery.errors import LotteryError
from audio_lottery.layout import Layout
from audio_lottery.mask import Mask
from audio_lottery.report.matrix import plot_layers
from audio_lottery.shares import module_of


@dataclass(frozen=True)
class Layers:
    """numel: weights of each layer; kept, changed: [layers, rounds], weights that remain, and changed their sign."""

    names: Sequence[str]
    rounds: Sequence[int]
    numel: np.ndarray
    kept: np.ndarray
    changed: np.ndarray | None

    @property
    def density(self) -> np.ndarray:
        """[layers, rounds], in [0, 1]."""
        return self.kept / self.numel[:, None]

    @property
    def changed_share(self) -> np.ndarray | None:
        """[layers, rounds], of the weights that remain; NaN where none does."""
        if self.changed is None:
            return None
        return np.where(self.kept > 0, self.changed / np.maximum(self.kept, 1), np.nan)

    def rows(self) -> list[dict]:
        """A row a layer and round."""
        signs = self.changed_share
        return [{"layer": name, "round": number, "weights": int(self.numel[i]), "kept": int(self.kept[i, j]),
                 "density": float(self.density[i, j]),
                 **({} if signs is None else {"changed_sign": None if np.isnan(signs[i, j]) else float(signs[i, j])})}
                for i, name in enumerate(self.names) for j, number in enumerate(self.rounds)]

    def to_text(self) -> str:
        """Aligned tables of density, and of sign changes, in %."""
        tables = [_table("density %", self.names, self.rounds, self.density)]
        if self.changed_share is not None:
            tables.append(_table("changed sign %", self.names, self.rounds, self.changed_share))
        return "\n\n".join(tables)

    def plot(self, *paths: str | Path) -> None:
        """Draw heat maps of the same."""
        panels = {"remaining weights (%)": 100 * self.density}
        if self.changed_share is not None:
            panels["of which changed sign (%)"] = 100 * self.changed_share
        plot_layers(panels, self.names, [str(number) for number in self.rounds], *paths)


def read_layers(layout: Layout, by: str = "module", trained: Callable[[Path], Mapping[str, Tensor]] | None = None,
                ) -> Layers:
    """Of the masks of a search; with ``trained``, (round folder) -> weights, sign changes since theta0, too.

    by: 'module' sums over the tensors of a module (``encoder.encoders.3``), 'kind' over the same tensor of all layers
    (``encoder.encoders.*.feed_forward.w_1``), 'tensor' over nothing. Raises LotteryError for a folder without masks.
    """
    paths = sorted(layout.folder.glob("masks/round_*.safetensors"))
    rounds = [int(path.stem[6:]) for path in paths]
    if trained is not None:
        rounds = [number for number in rounds if layout.done(number).exists()]
    if not rounds:
        raise LotteryError(f"{layout.folder}: no masks: give the folder of a search that has pruned rounds")
    masks = [Mask.load(layout.mask(number)) for number in rounds]
    layer_of = {name: _GROUPS[by](name) for name in masks[0]}
    names = list(dict.fromkeys(layer_of.values()))

    def summed(counts: Mapping[str, int]) -> np.ndarray:
        sums = np.zeros(len(names), np.int64)
        for name, count in counts.items():
            sums[names.index(layer_of[name])] += count
        return sums

    changed = None
    if trained is not None:
        theta0 = snapshot.load(layout.theta0)
        found = [sign_changes(mask, theta0, trained(layout.round(number)))
                 for mask, number in zip(masks, rounds, strict=True)]
        changed = np.stack([summed({name: pair[0] for name, pair in one.items()}) for one in found], axis=1)
    return Layers(names, rounds, summed({name: mask.numel() for name, mask in masks[0].items()}),
                  np.stack([summed(mask.kept_per_tensor) for mask in masks], axis=1), changed)


def _kind_of(name: str) -> str:
    return ".".join("*" if part.isdigit() else part for part in name.removesuffix(".weight").split("."))


_GROUPS = {"module": module_of, "kind": _kind_of, "tensor": str}


def _table(title: str, names: Sequence[str], rounds: Sequence[int], values: np.ndarray) -> str:
    wide = max(map(len, [*names, title]))
    lines = [title.ljust(wide) + "".join(f"{number:7d}" for number in rounds)]
    return "\n".join(lines + [name.ljust(wide) + "".join(f"{100 * value:7.2f}" for value in row)
                              for name, row in zip(names, values, strict=True)])
