"""Arrays, tables and data sets on disk, which are written whole or not at all."""
