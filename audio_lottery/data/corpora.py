"""The corpora that ``audio-lottery prepare`` knows: name -> module.

A module has a docstring (its help), ``add_arguments(parser)`` and ``prepare(args)``. A new corpus is
a new module and a line here.
"""

from types import ModuleType

from audio_lottery.data import digits, fsdd

CORPORA: dict[str, ModuleType] = {"digits": digits, "fsdd": fsdd}
