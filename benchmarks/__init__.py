"""Benchmarks: ratios measured in one run, never single absolute times as claims."""
