"""What an experiment contains and costs, shown before it is run."""
