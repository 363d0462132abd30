"""params.yaml written out as DVC files: DVC's templates cannot say that round k depends on round k - 1."""
