"""What a page consists of: sections of tables, pictures and changed utterances. Text is plain: the page escapes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audio_lottery.fileio import read_text
from audio_lottery.report.changes import Change
from audio_lottery.report.html.svg import inline


@dataclass(frozen=True)
class Table:
    """A sortable table: heads, rows of cells, and words on what the columns mean."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    legend: str = ""
    folded: bool = False
    kind: str = "table"


@dataclass(frozen=True)
class Picture:
    """A picture: SVG for the page, a text that says the same, and the files beside the page."""

    title: str
    alt: str
    svg: str
    files: Sequence[str]
    folded: bool = False
    kind: str = "picture"


@dataclass(frozen=True)
class Changes:
    """Utterances of a set that a ticket changed, with links to the audio where there is one."""

    title: str
    worse: Sequence[Change]
    better: Sequence[Change]
    note: str
    audio: Mapping[str, str]
    kind: str = "changes"


@dataclass(frozen=True)
class Lines:
    """Plain lines; code: as a terminal shows them."""

    lines: Sequence[str]
    code: bool = False
    kind: str = "lines"


@dataclass(frozen=True)
class Section:
    """A heading, what it is about in a sentence or two, and its parts."""

    id: str
    title: str
    intro: str
    parts: Sequence[Table | Picture | Changes | Lines] = field(default_factory=list)


@dataclass(frozen=True)
class Pictures:
    """Draws pictures to files in ``folder`` and takes them into the page."""

    folder: Path

    def draw(self, name: str, title: str, alt: str, plot: Callable[..., object], folded: bool = False) -> Picture:
        """``plot`` is called with the paths of a PNG and an SVG file."""
        import matplotlib

        files = [f"{name}.png", f"{name}.svg"]
        with matplotlib.rc_context({"text.parse_math": False}):  # a $ in a name is a $
            plot(*(self.folder / file for file in files))
        return Picture(title, alt, inline(read_text(self.folder / files[1]), name, alt), files, folded)
