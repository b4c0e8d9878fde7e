"""The report of a search as one self-contained HTML page, with its pictures as files beside it."""
