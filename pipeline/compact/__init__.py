"""Smaller networks from masks: dead units are physically removed, and what a ticket costs is counted."""
