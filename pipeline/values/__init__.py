"""What everything is said in: settings, names, paths, points in training. No torch, no results."""
