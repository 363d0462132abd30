"""Training of lanes, by the same recipe for the dense network, every ticket and every control (section 2)."""
