"""Word errors, significance and multiply-accumulates; needs numpy and torch only."""
