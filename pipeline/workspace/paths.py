"""Where a workspace begins, where a stage's report lies in it, and what is no stage's output: mostly in `.run`."""

from __future__ import annotations

import os
from pathlib import Path

from rosphere.errors import InputError

RUN, REPORTS = Path(".run"), Path("reports")


def workspace(start: Path) -> Path:
    """The nearest folder from `start` upward that holds `.dvc`, else `start` itself.

    Never from DVC_ROOT: the workers of `dvc exp run --queue` inherit it from the outer repository and
    would write into the real workspace. Never from __file__: an editable install points there too.
    """
    start = start.resolve()
    return next((folder for folder in (start, *start.parents) if (folder / ".dvc").is_dir()), start)


def enter() -> Path:
    """Go to the root of the workspace that the current directory lies in, from wherever in it; that root.

    Raises:
        InputError: it lies in none; nothing has been written.
    """
    here = Path.cwd()
    root = workspace(here)
    if not (root / "dvc.yaml").is_file():
        raise InputError(f"{here} lies in no workspace: expected .dvc and dvc.yaml here or in a folder above")
    os.chdir(root)
    return root


def home(root: Path) -> Path:
    """`root`, or the outer repository when `root` is a queued experiment's copy in .dvc/tmp/exps/."""
    for folder in root.parents:
        if folder.parts[-3:] == (".dvc", "tmp", "exps"):
            return folder.parents[2]
    return root


def experiment(root: Path, name: str) -> Path:
    """The clone in which the experiment `name` of `root` runs: there `home` finds `root` again."""
    return root / ".dvc" / "tmp" / "exps" / name


def report(name: str) -> Path:
    """What the stage `name` found: reports/WORD.json, of an item reports/WORD/ITEM.json, of a task reports/tasks/."""
    word, _, item = name.partition("@")
    folder = "tasks" if word == "evaluate" else word
    return REPORTS / folder / f"{item}.json" if item else REPORTS / f"{word}.json"


def speed(name: str) -> Path:
    """How fast the stage `name` was, and how much memory it took (pipeline/run/speed.py)."""
    return REPORTS / "speed" / f"{name.replace('@', '-')}.json"


def checkpoints(home: Path) -> Path:
    """The folder of all checkpoints: outside DVC's outs, which DVC deletes before a run."""
    return home / RUN / "ckpt"


def run_logs(home: Path) -> Path:
    """The folder of what has still to be delivered to MLflow: a folder a run (pipeline/tracking/run_log.py)."""
    return home / RUN / "run_logs"


def former_run_logs(home: Path) -> Path:
    """Where older versions kept them (pipeline/tracking/former_folder.py)."""
    return home / RUN / "spool"


def forecast(root: Path) -> Path:
    """How long the run that was begun last may take (pipeline/run/forecast.py)."""
    return root / RUN / "forecast.json"


def kept_outputs(root: Path) -> Path:
    """Copies of what DVC does not cache, for as long as a run may empty it (pipeline/workspace/outputs.py)."""
    return root / RUN / "kept"


def kept_lock(root: Path) -> Path:
    """A copy of dvc.lock as it was before the latest run (pipeline/workspace/lockfile.py)."""
    return root / RUN / "kept-dvc.lock"


def mlflow_database(home: Path) -> Path:
    """MLflow's runs, unless an address says that they are elsewhere (`pipeline.workspace.links`)."""
    return home / "mlflow.db"


def mlflow_artifacts(home: Path) -> Path:
    """The files of the runs in that database."""
    return home / "mlartifacts"


def mlflow_experiment(home: Path) -> Path:
    """Which experiment of which store the runs went to last, for who links to it."""
    return home / RUN / "mlflow-experiment.json"


def mlflow_pipelines(home: Path) -> Path:
    """The latest two pipeline runs in that store, for who links to their comparison."""
    return home / RUN / "mlflow-pipelines.json"


def mlflow_lock(home: Path) -> Path:
    """Held by whoever creates MLflow's database or finds its experiment: two at once break it for good."""
    return home / RUN / "mlflow.lock"


def pipeline_lock(root: Path, experiment: str | None = None) -> Path:
    """Held by a pipeline run in the workspace, or by the experiment of this name."""
    return root / RUN / (f"experiment-{experiment}.lock" if experiment else "pipeline.lock")


def dvc_notes(root: Path) -> Path:
    """In which DVC writes down which of its processes works on what."""
    return root / ".dvc" / "tmp" / "rwlock"


def stop_flag(home: Path, group: int) -> Path:
    """By which a stage stops the next one of its process group before it begins (pipeline/run/stop_flag.py)."""
    return home / RUN / f"stop-{group}"


def finished(root: Path) -> Path:
    """The stages that earlier bundles have finished (pipeline/run/bundle.py)."""
    return root / RUN / "finished.json"


def formerly_finished(root: Path) -> Path:
    """The same, as older versions wrote it."""
    return root / RUN / "pieces.json"


def worker_runs_lock(root: Path) -> Path:
    """Shared by the runs that a worker started in this workspace."""
    return root / RUN / "runs.lock"


def worker_temporary(root: Path) -> Path:
    """For what a worker leaves when it is killed, deleted with the stack that the worker belongs to."""
    return root / RUN / "worker-tmp"


def flow_runs(root: Path) -> Path:
    """A note for each flow run that works here, locked by its process (flows/deaths.py)."""
    return root / RUN / "flow-runs"


def prefect_home(root: Path) -> Path:
    """Prefect's own state."""
    return root / RUN / "prefect"


def prefect_address(root: Path) -> Path:
    """Where a running UI left the address of its server."""
    return prefect_home(root) / "api-url"


def sweep_journal(root: Path, name: str) -> Path:
    """The trials of the sweep `name`."""
    return root / RUN / "sweeps" / f"{name}.jsonl"


def service_log(root: Path, name: str) -> Path:
    """What a service of the local stack printed."""
    return root / RUN / f"{name.lower()}.log"
