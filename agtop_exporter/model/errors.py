"""The error of a mistake that the user can correct."""


class AgtopError(Exception):
    """A mistake of the user or of the machine that is told in one line, without a traceback."""
