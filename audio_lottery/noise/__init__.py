"""Noise at a real SNR: speech level, noise sources and their split, mixing."""
