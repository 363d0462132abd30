"""Pruning criteria: a file defines one, under its own name: `magnitude(trained, initial) -> scores`, higher is kept."""
