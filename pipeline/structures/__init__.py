"""Structures: each file defines one, with its own name, which returns a Plan (pipeline/domain/structures.py)."""
