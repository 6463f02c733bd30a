"""What is said of the machine is what the machine and the trainer do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.tracking import run_log, system_metrics
from pipeline.tracking.run_log import RunLog
from pipeline.tracking.system_metrics import Machine
from pipeline.tracking.uploader import Watch

psutil = pytest.importorskip("psutil")
BUSY = "import time\nheld = bytearray(200_000_000)\nprint('ready', flush=True)\nwhile True: pass"


def test_a_busy_trainer_is_seen_with_its_children_and_the_sampler_is_not() -> None:
    command = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"  # the child does the work
    with subprocess.Popen([sys.executable, "-c", command, BUSY], stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None and trainer.stdout.readline() == "ready\n"
        watch = Machine(trainer.pid, ())
        first = watch.sample()
        time.sleep(0.5)
        second = watch.sample()
        children = psutil.Process(trainer.pid).children()
        for process in (*children, trainer):
            process.kill()
    assert first["system/process_memory_usage_megabytes"] > 200
    assert "system/cpu_utilization_percentage" not in first  # a share of no time
    assert second["system/process_cpu_utilization_percentage"] > 0
    assert 0 < second["system/system_memory_usage_percentage"] < 100
    assert not any("gpu" in name for name in second)  # none was leased
    assert watch.sample()["system/process_memory_usage_megabytes"] == 0  # it is gone, and that is no error


def test_the_sampler_leaves_itself_out() -> None:
    own = Machine(os.getppid(), ())  # our parent's tree has us in it
    assert os.getpid() not in [process.pid for process in own._processes()]


def test_the_answer_of_nvidia_smi() -> None:
    answer = "0, 87, 40536, 81559, 612.35\n3, [N/A], 1024, 4096, [N/A]\n"
    assert system_metrics.gpus(answer) == {
        "gpu_0_utilization_percentage": 87.0,
        "gpu_0_memory_usage_megabytes": pytest.approx(42505.07, abs=0.01),
        "gpu_0_power_usage_watts": 612.35,
        "gpu_0_memory_usage_percentage": pytest.approx(49.70, abs=0.01),
        "gpu_3_memory_usage_megabytes": pytest.approx(1073.74, abs=0.01),
        "gpu_3_memory_usage_percentage": 25.0,
    }
    assert system_metrics.gpus("") == {}


@pytest.mark.parametrize(("seconds", "samples"), [(0, 0), (1000, 1)])
def test_the_uploader_samples_as_often_as_it_is_told(tmp_path: Path, seconds: float, samples: int) -> None:
    told = RunLog(tmp_path / "run_log")
    told.write("start", system_metrics=seconds, devices=[])
    watch = Watch(told.path, os.getppid())
    for _ in range(3):
        watch.look()
    told.close()
    if not samples:
        assert not (told.path / run_log.SYSTEM).exists()
        return
    events, _ = run_log.read_events(told.path, 0, name=run_log.SYSTEM)
    assert [event["step"] for event in events] == list(range(samples))
    assert events[0]["values"]["system/process_memory_usage_megabytes"] > 1
