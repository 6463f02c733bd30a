"""How paraphrases are asked for where nobody says otherwise: on the command line, of a server, in a stage."""

from __future__ import annotations

SAMPLES = 50  # drawn of a text, before ranking
KEEP = 5
TOP_P = 0.9
