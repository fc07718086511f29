"""How every script of the example ends: one line for an error, none of Python's traceback."""

import sys

import tensorflow as tf

from transformer.errors import UserError


def run(main, errors=(UserError,)):
    """Calls `main()`; exits with code 2 at one of `errors` and with 130 at Ctrl-C."""
    # It takes one decoding loop for each of several models for retracing, and warns.
    tf.get_logger().setLevel("ERROR")
    try:
        main()
    except errors as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(130)
