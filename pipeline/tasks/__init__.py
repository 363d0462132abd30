"""Tasks: a file defines one, under its own name: `classification() -> Task`."""
