"""The exception for problems that the user can solve."""


class AgtopError(Exception):
    """A problem that the user can solve. It is reported in one line, without a traceback."""
