"""``python -m kvmnb`` is the command ``kvmnb``."""

import sys

from kvmnb.cli import main

sys.exit(main())
