"""All benchmarks, each in a process of its own: python -m benchmarks"""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import benchmarks


def main() -> None:
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if not module.name.startswith("__"):
            print(f"== {module.name}", flush=True)
            subprocess.run([sys.executable, "-m", f"benchmarks.{module.name}"], check=True)


if __name__ == "__main__":
    main()
