"""The commands of stages. DVC gives them to a shell, and this is the only place where a name becomes part of such a text."""

import re

from pipeline.values.errors import UserError

# An experiment, a report, a data set or an item; DVC replaces the key of a template by a round, such as r07.
_ARGUMENT = re.compile(r"\w[\w/]*(\$\{key\})?")


def of(script: str, argument: str) -> str:
    """Raises: UserError for an argument that a shell could read as anything but one word."""
    if not _ARGUMENT.fullmatch(argument):
        raise UserError(
            f"the argument of the stage {script} is {argument!r}, but should contain only letters, digits, underscores and "
            "slashes, because DVC gives it to a shell"
        )
    return f"python -m stages.{script} {argument}"
