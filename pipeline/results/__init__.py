"""What came out of an experiment: its tables, what is worked out from them, and how its quality is measured.

No module of this folder, of figures/ or of report/ imports pandas, scipy or matplotlib when it is loaded: the DVC files are
written from the report's figures, and every stage checks them.
"""
