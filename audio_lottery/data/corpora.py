"""The corpora that ``audio-lottery prepare`` knows: name -> module.

A module has a docstring (its help), ``add_arguments(parser)`` and ``prepare(args)``. A new corpus is
a new module and a line here.
"""

from types import ModuleType

from audio_lottery.data import an4, commonvoice, digits, fsdd, librispeech, speechocean762, tedlium

CORPORA: dict[str, ModuleType] = {
    "digits": digits,
    "an4": an4,
    "commonvoice": commonvoice,
    "fsdd": fsdd,
    "librispeech": librispeech,
    "speechocean762": speechocean762,
    "tedlium": tedlium,
}
