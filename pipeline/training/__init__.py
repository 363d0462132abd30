"""Training of lanes, by a recipe that the dense network, tickets and controls share unless an arm says otherwise (section 2)."""
