"""Corpus preparation: Kaldi data folders, audio checks, the corpora the recipes use."""
