"""Drawing: the figures of one experiment and those over several, each a function of what came out."""
