"""C-MTEB's tasks (Xiao et al. 2023, arXiv 2309.07597), or any others of MTEB, by the package mteb.

    pip install mteb
    python -m benchmarks.mteb [--model models/roformer_sim ...] [--tasks ATEC,BQ,LCQMC] [--json FILE]

A folder of sentence-transformers is measured as it is: our models, and the published encoder that one began with. The
data come from the Hugging Face hub, or from its cache where HF_HUB_OFFLINE=1. A task whose data cannot be had is
skipped, with a line that says why; the exit code is 0 where every task was measured and 1 where one was not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rosphere.errors import InputError, first_line
from rosphere.similarity import foreign

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

TASKS = ("ATEC", "BQ", "LCQMC", "PAWSX", "STSB", "AFQMC", "QBQTC")  # pairs of sentences with grades


def measured(model: SentenceTransformer, task: Any) -> float:
    """The task's own main score, by mteb, of the split that ``asked_for`` chose."""
    import mteb  # type: ignore[import-not-found]

    found = mteb.evaluate(model, tasks=[task], cache=None, show_progress_bar=False)
    return float(found[0].get_score())


def skipped(name: str, task: Any) -> str | None:
    """Why the data of a task cannot be had, in a line."""
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # httpx or httpx2, as that library uses

    try:
        task.load_data()
    except (OSError, ValueError, RuntimeError, httpx.HTTPError) as error:  # of the hub, and of datasets
        return f"{name}: skipped, its data cannot be had: {first_line(error)}"
    return None


def asked_for(names: Sequence[str]) -> dict[str, Any]:
    """The tasks, on their test split alone where they have one.

    Raises:
        InputError: mteb has no such task, or is not installed.
    """
    if find_spec("mteb") is None:
        lines = "\n".join(f"{name}: skipped, the package mteb is not installed" for name in names)
        raise InputError(f"{lines}\npip install mteb")
    import mteb

    try:
        tasks = {name: mteb.get_task(name) for name in names}
        tested = [name for name, task in tasks.items() if "test" in task.metadata.eval_splits]
        return tasks | {name: mteb.get_task(name, eval_splits=["test"]) for name in tested}
    except KeyError as error:
        raise InputError(f"--tasks: {first_line(error)}") from error


def table(rows: dict[str, dict[str, float]], names: Sequence[str]) -> str:
    lines = ["| model | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for model, scores in rows.items():
        cells = [f"{100 * scores[name]:.1f}" if name in scores else "" for name in names]
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, nargs="+", default=[Path("models/roformer_sim")])
    parser.add_argument("--tasks", default=",".join(TASKS), help="names as mteb has them, with commas between")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = [name.strip() for name in options.tasks.split(",")]
    try:
        models = {str(place): foreign.load(place) for place in options.model}
        tasks = asked_for(names)
    except InputError as error:
        raise SystemExit(str(error)) from error
    rows: dict[str, dict[str, float]] = {place: {} for place in models}
    missing = 0
    for name, task in tasks.items():
        why = skipped(name, task)
        if why:
            print(why, flush=True)
            missing += 1
            continue
        for place, model in models.items():
            rows[place][name] = measured(model, task)
    print(table(rows, names))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
