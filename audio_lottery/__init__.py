"""Winning tickets of speech recognisers: find, train and ship them, on ESPnet."""

__version__ = "0.1.0"
