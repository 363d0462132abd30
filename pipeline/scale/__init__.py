"""How long experiments take on other machines: a simulation of their chains with measured or assumed costs."""
