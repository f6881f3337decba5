"""`python -m visplay`: the same program where its script is not on the path."""

import sys

from visplay.cli.main import main

sys.exit(main())
