"""Arms: a file defines one, under its own name: `reinit() -> Arm`; its parameters are the options of params.yaml."""
