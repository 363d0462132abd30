"""One item from its settings to its files: checked, keyed, trained."""
