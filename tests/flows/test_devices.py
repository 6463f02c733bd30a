"""Eight stages, four devices: the flow starts all, the leases decide; what happened is read from a trace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

STAGES, DEVICES = 8, 4

DVC_YAML = """
stages:
  use:
    matrix: {number: [0, 1, 2, 3, 4, 5, 6, 7]}
    cmd: python use.py ${item.number}
    outs: ["out${item.number}"]
    meta: {resources: {gpu: 1}}
"""

# What is held, by whom and when, is written down by the stages themselves.
USE_PY = """
import json, os, pathlib, sys, time
from pipeline.run.lease import lease

def tell(what, device=None):
    with open("trace", "a") as trace:
        print(json.dumps([time.monotonic(), sys.argv[1], what, device]), file=trace)

tell("waits")
with lease(1) as (device,):
    tell("takes", device)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == device
    # Nobody leaves before all devices have been in use at once and all the others are waiting.
    while open("trace").read().count("takes") < 4 or open("trace").read().count("waits") < 8:
        time.sleep(0.05)
    time.sleep(1 + int(sys.argv[1]) / 8)
    tell("leaves", device)
pathlib.Path(f"out{sys.argv[1]}").write_text("done")
"""


@pytest.mark.slow
def test_no_device_is_shared_and_none_idles_while_a_stage_waits(served_toy, monkeypatch) -> None:
    root: Path = served_toy.root
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "use.py").write_text(USE_PY)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")

    code, output = served_toy.run("--workers", str(STAGES))

    assert code == 0, output
    trace = sorted(json.loads(line) for line in (root / "trace").read_text().splitlines())
    held: dict[str, str] = {}
    waiting: set[str] = set()
    most = 0
    for time, stage, what, device in trace:
        if what == "waits":
            waiting.add(stage)
        elif what == "takes":
            assert device not in held, f"{stage} and {held[device]} share device {device} at {time}"
            waiting.remove(stage)
            held[device] = stage
            most = max(most, len(held))
        else:
            assert held.pop(device) == stage
    assert most == DEVICES and not held and not waiting
    assert len({device for _, _, what, device in trace if what == "takes"}) == DEVICES
    print(json.dumps({"idle while a stage waited, seconds": idle(trace)}))


def idle(trace: list[list]) -> list[float]:
    """How long a device that was left stayed free while a stage was waiting, each time."""
    found, free, waiting = [], {}, set()
    for time, stage, what, device in trace:
        if what == "waits":
            waiting.add(stage)
        elif what == "takes":
            waiting.discard(stage)
            if device in free:
                found.append(round(time - free.pop(device), 3))
        elif waiting:
            free[device] = time
    return found
