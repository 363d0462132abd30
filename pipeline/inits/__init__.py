"""Inits: a file defines one, under its own name: `glorot_normal(module, generator)` draws weights in place."""
