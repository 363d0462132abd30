"""The vocabulary of the project: settings, names, paths and moments of training. Nothing here needs torch or results."""
