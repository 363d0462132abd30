"""The one exception whose message is meant for the user: a sentence that says what is wrong, where, and what would be right."""


class UserError(Exception):
    """It is shown without a traceback, and the process then ends with exit code 1."""


def reason(error: BaseException) -> str:
    """What the code of a plug-in raised, in one line: kind and message."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
