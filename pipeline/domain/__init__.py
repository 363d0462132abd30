"""Masks, tickets and networks as values, without files and without globals."""
