"""`python -m lamina`."""

import sys

from lamina.cli.main import run

sys.exit(run())
