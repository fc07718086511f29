"""`python -m bcq_tf`, and the console command `bcq_tf`."""

import sys

from bcq_tf.cli.start import stopping


def main() -> int:
    """Runs the command line; returns the exit code."""
    with stopping():
        from bcq_tf.cli.main import main as run
    return run()


if __name__ == "__main__":
    sys.exit(main())
