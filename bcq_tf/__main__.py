"""`python -m bcq_tf`, and the console command `bcq_tf`."""

import sys

from bcq_tf.start import stopping


def main() -> int:
    """Runs the command line; returns the exit code."""
    with stopping():
        from bcq_tf import cli
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
