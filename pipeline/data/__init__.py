"""Data sets: each file defines one, with its own name, such as `mnist(folder) -> Bundle`, which may put files into `folder`.

Beside it, FORM declares what the data set will look like, or is a function of its options that returns this, so that `--show`
knows what an experiment costs before anything is downloaded. A data set without a FORM has to be downloaded first.
"""
