"""The whole of params.yaml, and the places of reports and DVC's files. No training depends on what is here."""
