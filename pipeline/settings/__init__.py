"""params.yaml and experiments/*.yaml as a whole, and the places of reports and DVC's files. No training depends on it."""
