"""Pruning criteria: each file defines one, with its own name, such as `magnitude(trained) -> scores`; the highest are kept.

pipeline/scoring/scores.py lists what a criterion may ask for by the names of its parameters.
"""
