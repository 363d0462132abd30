"""Data sets: a file defines one, under its own name: `mnist(folder) -> Bundle`, from files that it may put into `folder`.

Beside it stands its FORM, what it will look like once it is there, or a function of its options that tells, so that `--show`
knows what an experiment costs before anything is downloaded. A data set without one has to be downloaded first.
"""
