"""Arrays from pickles, the format of data sets from Python 2's time, without running the code that a pickle may ask for."""

import pickle
from io import BufferedIOBase
from typing import Any

import numpy as np


def load(file: BufferedIOBase) -> Any:
    """Loads arrays, numbers, strings, and lists, tuples and dicts of them. Python 2's strings and arrays are read as Latin-1.

    Raises: pickle.UnpicklingError for everything else.
    """
    try:
        return _ArraysOnly(file, encoding="latin1").load()
    except (pickle.UnpicklingError, OSError):
        raise
    except Exception as error:  # a pickle calls NumPy's functions with anything that it likes
        raise pickle.UnpicklingError(f"it is not a pickle of arrays ({type(error).__name__}: {error})") from error


# The Unpickler in Python: for an object with the number 2**31, the one in C fills 32 GB with its table of objects.
class _ArraysOnly(pickle._Unpickler):
    """Refuses everything that is not part of an array, because an ordinary pickle can run any code when it is loaded."""

    def find_class(self, module: str, name: str, /) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np.zeros(0).__reduce__()[0]  # it has moved between versions of NumPy, so an array is asked for it
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, only arrays are admitted")
