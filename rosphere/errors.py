"""The exceptions a caller may want to catch.

ValueError
└── InputError      what a user can put right: a file, a row, a key
"""


class InputError(ValueError):
    """Bad input: the message names the file, row or key, what was expected and what came."""


class Interrupted(Exception):
    """Someone asked the run to stop; its checkpoint is saved."""
