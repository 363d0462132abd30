"""What an experiment holds and costs, before it is run."""
