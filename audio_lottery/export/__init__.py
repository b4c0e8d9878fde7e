"""Tickets as small files: what a stranger's machine needs to run or to unpack a ticket, and nothing else."""
