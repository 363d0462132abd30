"""Data sets: a file defines how to obtain one, under its own name: `mnist(folder) -> Bundle`, and its SHAPE and CLASSES."""
