"""Inits: each file defines one, with its own name, such as `glorot_normal(module, generator)`, which draws weights in place."""
