"""The exceptions a caller may want to catch.

ValueError
└── InputError      what a user can put right: a file, a row, a key
"""

# What the operating system says of a file or folder that a user has named.
UNUSABLE = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


class InputError(ValueError):
    """Bad input: the message names the file, row or key, what was expected and what came."""


class Interrupted(Exception):
    """Someone asked the run to stop; its checkpoint is saved."""


def first_line(error: Exception, most: int | None = None) -> str:
    """The first line of what another library says, of at most so many characters; its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:most]


def message(error: Exception) -> str:
    """An InputError, or one of UNUSABLE, in one line."""
    if isinstance(error, OSError) and error.filename is not None:
        missing = isinstance(error, FileNotFoundError)
        return f"{error.filename}: {'no such file or folder' if missing else str(error.strerror).lower()}"
    return " ".join(str(error).split())
