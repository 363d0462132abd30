"""`python -m pipeline.repro [--jobs N] [TARGET …]`: `dvc repro` that runs all stages that are ready side by side.

DVC decides what is run, runs it and records it: each changed stage is a `dvc repro --single-item` in a forked process. This
module only decides when: a stage starts as soon as the stages that it depends on have ended, those with the longest way to the
end first. While a stage runs, DVC does not hold its lock; before and afterwards, processes wait for each other.
"""
