"""python -m pipeline.tracking sync"""

import sys

from pipeline.tracking.recording import main

sys.exit(main())
