"""One module per command: ``audio-lottery NAME`` or ``python3 -m audio_lottery.bin.NAME``."""
