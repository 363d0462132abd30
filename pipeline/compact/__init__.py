"""Smaller networks from masks: dead units are removed from the network, and what a ticket costs is counted."""
