"""n-gram language models: modified Kneser-Ney estimation, ARPA files, perplexity."""
