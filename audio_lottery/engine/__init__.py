"""The sparse CPU engine: runs ticket files without torch and without ESPnet.

Kernels in ``csrc/``, compiled by ``build.py`` into one library for all instruction sets. Where there is no
compiler, numpy runs the same networks (``reference.py``), several times slower.
"""

LIBRARY = "libaudio_lottery_engine.so"
