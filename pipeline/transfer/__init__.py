"""Tickets that are moved from one experiment to another (only the stage `borrow` depends on this)."""
