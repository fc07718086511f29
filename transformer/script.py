"""What every script of the example has in common: arguments, and errors of one line."""

import argparse
import math
import os
import sys

import tensorflow as tf

from transformer.errors import UserError

LARGEST_SEED = 2**32 - 1


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose errors are one line, and whose texts keep their lines."""

    def __init__(self, description, examples=None):
        super().__init__(
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message):
        """Exits with code 2."""
        self.exit(2, f"error: {message}; `{self.prog} --help` shows the arguments\n")


def check_seed(seed):
    """Raises UserError unless it is a seed of random numbers."""
    if not 0 <= seed <= LARGEST_SEED:
        raise UserError(f"`seed` must be from 0 to {LARGEST_SEED}. Received: seed={seed}")


def check_positive(name, value):
    """Raises UserError unless the number is finite and above 0."""
    if not (0 < value < math.inf):
        raise UserError(f"`{name}` must be a positive number. Received: {name}={value}")


def run(main, errors=()):
    """Calls `main()`; exits with code 2 at a UserError, OSError or one of `errors`, and with 130 at
    Ctrl-C: one line, and none of Python's traceback."""
    # It takes one decoding loop for each of several models for retracing, and warns.
    tf.get_logger().setLevel("ERROR")
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:  # who reads may stop before the end, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (UserError, OSError, *errors) as error:
        print(f"error: {_text(error)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(130)


def _text(error):
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.strerror}: '{error.filename}'"
    return " ".join(str(error).split())
