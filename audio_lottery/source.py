"""A search whose masks, and initial weights if wanted, are those of a ticket found elsewhere.

Morcos et al., "One ticket to win them all", NeurIPS 2019; on speech Ding et al., "Audio Lottery", ICLR
2022, section 4. What is taken is kept in ``EXP/source``, so that the search needs the place it came from no
longer and ``audio-lottery check`` can prove what it started from.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from audio_lottery import snapshot
from audio_lottery.config import LotteryConfig
from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_json, write_json
from audio_lottery.layout import Layout
from audio_lottery.mask import Mask


@dataclass(frozen=True)
class Source:
    """What a search takes from elsewhere.

    about: where it is from, plain values. rounds: the source's round behind each pruned round of this search.
    mask: the mask of a source's round. start: the initial weights that belong to the masks (None: this model's
    own). own: tensors that stay this model's own, since the tokens differ. initial: its own initial weights.
    """

    about: Mapping[str, Any]
    rounds: tuple[int, ...]
    mask: Callable[[int], Mask]
    start: Mapping[str, Tensor] | None
    own: tuple[str, ...]
    initial: Callable[[], Mapping[str, Tensor]]

    def configure(self, config: LotteryConfig, layout: Layout, single: bool) -> LotteryConfig:
        """``config`` with the masks of the source; single: one ticket, so one pruned round.

        Raises LotteryError for a configuration that would not start from what is taken.
        """
        if config.masks_from:
            raise LotteryError(f"masks_from: {config.masks_from}: the masks are the source ticket's: leave it out")
        if self.start is not None and (config.restart == "fresh" or config.rewind != "0"):
            raise LotteryError(f"restart: {config.restart}, rewind: {config.rewind}: rounds would not start from the "
                               "source's initial weights: take restart: rewind with rewind: '0', or the mask alone "
                               "(--source_weights false)")
        made = dataclasses.replace(config, masks_from=str(layout.source), rounds=1 if single else config.rounds)
        if made.rounds > len(self.rounds):
            raise LotteryError(f"rounds: {made.rounds}, but {self.about['source']} has masks of {len(self.rounds)}: "
                               f"take rounds: {len(self.rounds)}, or run that search further")
        made.check()
        return made

    def begin(self, layout: Layout, rounds: int) -> None:
        """Keep masks and initial weights in the search's folder, once; another source is refused."""
        taken = dict(enumerate(self.rounds[:rounds], 1))
        start = None if self.start is None else snapshot.digests(self.start)
        about = {**self.about, "own": list(self.own), "start": start,
                 "masks": {str(number): self._mask(there).digest() for number, there in taken.items()}}
        path = layout.source / "about.json"
        before = read_json(path) if path.exists() else None
        if before == about:
            return
        if layout.config.exists() and not (before and _continued(before, about)):
            raise LotteryError(f"{layout.folder}: this search was begun with another source than "
                               f"{self.about['source']}: take that, or another folder (--asr_tag, --expdir)")
        for number, there in taken.items():
            note = {"round": str(there), "from": self.about["source"]}
            self._mask(there).save(Layout(layout.source).mask(number), note)
        if not layout.config.exists():
            self._keep_start(layout)
        write_json(path, about)

    def _mask(self, there: int) -> Mask:
        return Mask({name: kept for name, kept in self.mask(there).items() if name not in self.own})

    def _keep_start(self, layout: Layout) -> None:
        if self.start is None:
            layout.theta0.unlink(missing_ok=True)  # of a search that was refused after it was kept
            return
        fresh = self.initial() if self.own else {}
        state = {name: fresh[name] if name in self.own else value for name, value in self.start.items()}
        snapshot.save(layout.theta0, state, {"kind": "theta0", "moment": "0", "from": self.about["source"]})


def _continued(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two records differ only in how many rounds they have."""
    shared = before["masks"].keys() & now["masks"].keys()
    return ({**before, "masks": None} == {**now, "masks": None}
            and all(before["masks"][number] == now["masks"][number] for number in shared))


def check_source(layout: Layout) -> Iterator[str]:
    """The masks are the source's, and so is every initial weight that is not of the vocabulary, bit for bit."""
    about = read_json(layout.source / "about.json")
    for number in filter(None, layout.finished()):
        if Mask.load(layout.mask(number)).digest() != about["masks"].get(str(number)):
            yield f"round {number}: the mask is not the one taken from {about['source']}"
    if about["start"] is None:
        return
    theta0 = snapshot.digests(snapshot.load(layout.theta0))
    for name, digest in about["start"].items():
        if name not in about["own"] and theta0.get(name) != digest:
            yield f"theta0.safetensors: {name} is not the one taken from {about['source']}"
