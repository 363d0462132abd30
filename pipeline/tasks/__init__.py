"""Tasks: each file defines one, with its own name, such as `classification() -> Task`."""
