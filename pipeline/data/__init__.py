"""Data sets: a file defines one, under its own name: `mnist(folder) -> Bundle`, from files that it may put into `folder`.

Beside it stands its FORM, what it will look like once it is there, so that `--show` can tell what an experiment costs before
anything is downloaded; one without a FORM has to be downloaded first.
"""
