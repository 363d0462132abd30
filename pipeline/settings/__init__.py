"""The whole of params.yaml, and where reports and DVC's files stand. No training depends on what is here."""
