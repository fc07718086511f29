"""The one error of the example whose message is meant for the user of a script."""


class UserError(ValueError):
    """Something the user gave is missing, damaged or wrong. One line names the thing.

    Scripts print the message and exit with code 2; any other exception is a fault of the program
    and shows its traceback.
    """
