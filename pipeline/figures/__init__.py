"""Drawing: the figures of one experiment and those over several, each of which is a function of the results."""
