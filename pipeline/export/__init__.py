"""A trained lane as a folder that can be used without this repository, and as a model in MLflow's registry."""
