"""The one exception a user is meant to read: a sentence that says what is wrong, where, and what would be right."""


class UserError(Exception):
    """Shown without a traceback; the process then ends with exit code 1."""
