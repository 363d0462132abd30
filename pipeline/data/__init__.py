"""Data sets: a file defines how to obtain one, under its own name: `mnist(folder) -> Bundle`, and its SHAPE,
CLASSES and IMAGES.

What they share: _sources fetches (any of torchvision's data sets by the name of its class), _files verifies, _idx and
_pickles read. So one more is a short file.
"""
