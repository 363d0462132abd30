"""The report: its figures as data, its sentences, its pages, and the lines for the terminal."""
