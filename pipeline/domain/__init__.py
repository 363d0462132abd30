"""Masks, tickets and networks as values: no files, no globals."""
