"""Stability of training (Frankle et al. 2020): two trainings of the same network, compared along the line between their ends."""
