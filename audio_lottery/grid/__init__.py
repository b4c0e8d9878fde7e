"""Experiment grids: many calls of recipes' run.sh, from one file."""
