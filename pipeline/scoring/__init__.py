"""The scores that weights are pruned by: what a criterion is offered, and how it is called."""
