"""All benchmarks, one after another: python -m benchmarks"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def main() -> None:
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if not path.stem.startswith("__"):
            print(f"== {path.stem}", flush=True)
            sys.argv = [f"benchmarks.{path.stem}"]
            runpy.run_module(f"benchmarks.{path.stem}", run_name="__main__")


if __name__ == "__main__":
    main()
