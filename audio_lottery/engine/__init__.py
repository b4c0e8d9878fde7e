"""The sparse CPU engine: runs ticket files without torch and without ESPnet.

Kernels in ``csrc/``, compiled by ``build.py`` into one library for all instruction sets.
"""
