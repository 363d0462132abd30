"""Pruning criteria: a file defines one, under its own name: `magnitude(trained) -> scores`, of which the highest are kept.

What a criterion may ask for by the names of its parameters stands in pipeline/run/scores.py.
"""
