"""The settings written out as DVC files, because DVC's templates cannot say that round k depends on round k - 1."""
