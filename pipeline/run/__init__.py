"""One item from its settings to its files: it is checked, keyed and trained."""
