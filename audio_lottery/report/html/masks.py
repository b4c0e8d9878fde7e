"""Sections on masks: where weights remain, and what tickets have in common. Ledgers without masks have none."""

from functools import partial
from itertools import combinations

import numpy as np

from audio_lottery.errors import LotteryError
from audio_lottery.layout import Layout
from audio_lottery.mask import Mask
from audio_lottery.report.html.inputs import Inputs
from audio_lottery.report.html.parts import Pictures, Section, Table
from audio_lottery.report.layers import Layers, read_layers
from audio_lottery.report.matrix import one_digit, plot_overlap, short
from audio_lottery.report.overlap import pair

# Tickets in the overlap's matrix: more are not readable.
MOST = 10


def density(inputs: Inputs, pictures: Pictures) -> Section | None:
    """Heat maps by layer and by kind of the first search."""
    layout = Layout(inputs.exps[0])
    if not any(layout.folder.glob("masks/round_*.safetensors")):
        return None
    parts = []
    for by, name in (("module", "layer"), ("kind", "kind of tensor")):
        found = read_layers(layout, by)
        parts.append(pictures.draw(f"density_{by}", f"Remaining weights by {name} and round", _alt(found, name),
                                   found.plot))
        heads = [name, "weights", *(f"round {number}" for number in found.rounds)]
        rows = [[layer, str(int(found.numel[i])), *(f"{100 * value:.1f}" for value in found.density[i])]
                for i, layer in enumerate(found.names)]
        parts.append(Table(f"Remaining weights (%) by {name} as a table", heads, rows, folded=True))
    return Section("density", "Where weights remain", f"Of the masks of {layout.folder.name}.", parts)


def _alt(found: Layers, name: str) -> str:
    last = found.density[:, -1]
    low, high = int(np.argmin(last)), int(np.argmax(last))
    return (f"Heat map of remaining weights by {name} and round; in round {found.rounds[-1]} from "
            f"{100 * last[low]:.1f}% in {found.names[low]} to {100 * last[high]:.1f}% in {found.names[high]}")


def overlaps(inputs: Inputs, pictures: Pictures) -> Section | None:
    """The overlap of the searches' tickets of one round; of a single search, of its own rounds."""
    masks = {name: Mask.load(path) for name, path in _tickets(inputs).items()}
    pairs = []
    for first, second in combinations(masks, 2):
        try:
            pairs.append(pair(first, second, masks, restrict=True))
        except LotteryError:
            continue  # two networks that share no tensor
    if not pairs:
        return None
    rows = [[f"{one['first']}, {one['second']}",
             *(one_digit(100 * one["all"][key]) for key in ("density_first", "density_second", "jaccard",
                                                            "jaccard_by_chance", "above_chance"))] for one in pairs]
    heads = ["tickets", "first %", "second %", "overlap %", "by chance %", "above chance %"]
    alt = "Matrix of the overlap of tickets: " + "; ".join(
        f"{row[0]}: {row[3]}%, by chance {row[4]}%" for row in rows[:6])
    own = rows[0][0].startswith("round ")
    picture = pictures.draw("overlap", "Overlap of tickets", alt, partial(plot_overlap, pairs), folded=own)
    legend = ("overlap: weights that remain in both over those that remain in either (Jaccard). by chance: of masks "
              "with the same densities in each tensor. above chance: 0 as by chance, 100 the most that the densities "
              "allow.")
    intro = ("Of the masks of one search. Where each round prunes what the last one left, masks nest: the sparser lies "
             "in the denser, the most that is possible." if own
             else f"Of the searches' masks of round {inputs.ticket}.")
    return Section("overlap", "What tickets have in common", intro,
                   [picture, Table("Overlap as a table", heads, rows, legend, folded=own)])


def _tickets(inputs: Inputs) -> dict:
    searches = [exp for exps in (inputs.exps, *inputs.others.values()) for exp in exps]
    number = inputs.ticket
    paths = {str(exp): Layout(exp).mask(number) for exp in searches if number is not None}
    paths = {name: path for name, path in paths.items() if path.exists()}
    paths = dict(zip(short(list(paths)), paths.values(), strict=True))
    if len(paths) < 2:
        own = sorted(inputs.exps[0].glob("masks/round_*.safetensors"))
        step = -(-len(own) // MOST)
        paths = {f"round {int(path.stem[6:])}": path for path in own[::-1][:: step or 1][::-1]}
    return dict(list(paths.items())[:MOST])
