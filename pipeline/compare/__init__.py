"""What differs between two revisions: settings, code, verdicts, and results with the noise between replicates."""
