"""The exception for mistakes that the user can correct."""


class AgtopError(Exception):
    """A problem that the user can solve. It is reported in one line, without a traceback."""
