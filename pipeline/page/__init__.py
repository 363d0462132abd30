"""The HTML page of a report: one file that needs no network, with charts that are drawn from what the figures are drawn from."""
