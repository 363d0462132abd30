"""The one exception whose message is meant for the user: a sentence that says what is wrong, where, and what would be right."""


class UserError(Exception):
    """It is shown without a traceback, and the process then ends with exit code 1."""
