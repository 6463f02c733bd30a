"""What Prefect costs: six small stages under plain `dvc repro` and under the flow, the same bytes, seconds a stage.

    python -m benchmarks.scheduling [--rounds 3] [--json FILE]

The stages are a chain of two, three that follow it, and one that joins them; each sleeps for a second, so that the
flow may also gain by running three at once. Both run in fresh copies of one repository, alternating, against a Prefect
server that is already up. Said are medians, and whether every output has the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flows import environment
from flows.process import Commands
from flows.services import Running
from flows.ui import prefect_server
from pipeline.workspace.environment import for_commands

STAGES = 6
WORK = """
import pathlib, sys, time
time.sleep(1)
name, *sources = sys.argv[1:]
text = "".join(pathlib.Path(source).read_text() for source in sources)
pathlib.Path(f"{name}.txt").write_text(f"{name}({text})")
"""


def entry(name: str, *sources: str) -> str:
    files = [f"{source}.txt" for source in sources]
    command = " ".join(["python work.py", name, *files])
    return f"  {name}:\n    cmd: {command}\n    deps: [{', '.join(['work.py', *files])}]\n    outs: [{name}.txt]\n"


GRAPH = "stages:\n" + "".join(
    [
        entry("first"),
        entry("second", "first"),
        *(entry(name, "second") for name in ("left", "middle", "right")),
        entry("last", "left", "middle", "right"),
    ]
)


def repository(place: Path) -> Path:
    place.mkdir()
    (place / "dvc.yaml").write_text(GRAPH)
    (place / "work.py").write_text(WORK)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=place, check=True)
    return place


def timed(place: Path, env: dict[str, str], *command: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", *command], cwd=place, env=env, check=True, capture_output=True)
    return time.perf_counter() - begun


def digest(place: Path) -> str:
    files = [*sorted(place.glob("*.txt")), place / "dvc.lock"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def rounds(place: Path, env: dict[str, str], count: int) -> list[dict[str, float | bool]]:
    found: list[dict[str, float | bool]] = []
    for number in range(count):
        plain, flow = (repository(place / f"{word}{number}") for word in ("dvc", "flow"))
        row: dict[str, float | bool] = {
            "dvc repro": timed(plain, env, "dvc", "repro"),
            "flow": timed(flow, env, "flows.pipeline", "--workers", "1"),
        }
        row["same bytes"] = digest(plain) == digest(flow)
        row["dvc repro, nothing to do"] = timed(plain, env, "dvc", "repro")
        row["flow, nothing to do"] = timed(flow, env, "flows.pipeline")
        side_by_side = repository(place / f"wide{number}")
        row["flow, three at once"] = timed(side_by_side, env, "flows.pipeline", "--workers", "3")
        found.append(row)
        print(json.dumps(row), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Commands() as commands:
        place = Path(folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment.prepare(place)
        service = prefect_server(port, None)
        server = Running(service, place, commands)
        server.wait()
        env = {**for_commands(), **service.env, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        found = rounds(place, env, options.rounds)
    middle = {key: statistics.median(row[key] for row in found) for key in found[0] if key != "same bytes"}
    print("\n| what | seconds | a stage |\n| --- | --- | --- |")
    for key, seconds in middle.items():
        print(f"| {key} | {seconds:.1f} | {seconds / STAGES:.2f} |")
    extra = middle["flow"] - middle["dvc repro"]
    print(f"\nThe flow costs {extra:.1f} s, {extra / STAGES:.2f} s a stage; ", end="")
    print("every output has the same bytes." if all(row["same bytes"] for row in found) else "OUTPUTS DIFFER.")
    if options.json:
        options.json.write_text(json.dumps({"rounds": found, "medians": middle}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
