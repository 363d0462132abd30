"""Arrays, tables and data sets on disk, written whole or not at all."""
