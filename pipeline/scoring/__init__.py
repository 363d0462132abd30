"""The scores by which weights are pruned: what a criterion is offered, and how it is called."""
