"""From the lanes of an experiment to tables, figures and the report."""
