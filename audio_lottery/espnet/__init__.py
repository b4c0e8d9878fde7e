"""The only part that imports ESPnet: ticket-aware tasks and trainer, training and decoding of rounds."""
