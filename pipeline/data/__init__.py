"""Data sets: a file defines how one is obtained, under its own name: `mnist(folder) -> Bundle`; SHAPE and CLASSES tell its kind."""
