"""Named random streams. Each has a generator of its own, so that a change of one does not affect the others."""

import hashlib

STREAMS = ("init", "split", "order", "augment", "dropout", "control", "criterion")


def derive(seed: int, stream: str, *more: int | str) -> int:
    """A 63-bit seed for one stream of one replicate; `more` distinguishes draws, epochs or rounds.

    Raises: ValueError for a stream that is not in STREAMS.
    """
    if stream not in STREAMS:
        raise ValueError(f"unknown random stream {stream!r}; the streams are {', '.join(STREAMS)}")
    name = "/".join(map(str, (seed, stream, *more)))
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1
