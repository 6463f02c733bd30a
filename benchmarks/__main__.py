"""All benchmarks, each in a process of its own: python -m benchmarks

Experiments take hours and keep their runs in a folder that one names, so they are started by name.
"""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import benchmarks

EXPERIMENTS = {"activations", "minimal_pairs", "mteb", "public_encoders", "vae", "widening"}


def main() -> None:
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if module.name in EXPERIMENTS:
            print(f"== {module.name}: an experiment, see python -m benchmarks.{module.name} --help", flush=True)
        elif not module.name.startswith("__"):
            print(f"== {module.name}", flush=True)
            subprocess.run([sys.executable, "-m", f"benchmarks.{module.name}"], check=True)


if __name__ == "__main__":
    main()
