"""`python -m bcq_tf`."""

import sys

from bcq_tf import cli

if __name__ == "__main__":
    sys.exit(cli.main())
