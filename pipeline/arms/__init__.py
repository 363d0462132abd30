"""Arms: each file defines one, with its own name, such as `reinit() -> Arm`; its parameters are options in params.yaml."""
