"""The one error type that a user is meant to see."""


class InputError(ValueError):
    """Something the user gave is wrong.

    The message is one sentence: what was wrong, the value, and what is expected. The command line
    prints it without a traceback and exits with code 2.
    """
