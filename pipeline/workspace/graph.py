"""DVC's graph, read once and kept as plain values.

`python -m pipeline.workspace.graph [ROOT]` prints it as JSON. DVC holds process-wide state, and its locks know only a
process id: two threads of one process both get the same write lock. So everybody else reads the graph
through that short process (`discover`), and DVC is never imported next to the scheduler.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.workspace import dvc_yaml

if TYPE_CHECKING:
    from dvc.stage import Stage as DvcStage

# What DVC lets through where it cannot write the small databases that it keeps of hashes.
DATABASE = (sqlite3.Error, OSError)
NOTES = "it keeps databases in .dvc/tmp and in /var/tmp/dvc (DVC_SITE_CACHE_DIR): is there room?"
PACKAGE_PARENT = Path(__file__).resolve().parents[2]


class PlanError(RuntimeError):
    """The pipeline cannot be planned; the message says why, in words for whoever typed the command."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of `dvc.yaml`.

    `changed` holds DVC's own reasons to run it, empty when up to date; `uncached` those of `outs` that git is to keep.
    """

    name: str
    desc: str
    cmd: str
    upstream: tuple[str, ...]
    metrics: tuple[str, ...]
    outs: tuple[str, ...]
    uncached: tuple[str, ...]
    meta: Mapping[str, Any]
    frozen: bool
    always_changed: bool
    changed: tuple[str, ...]

    @property
    def gpus(self) -> int:
        """GPUs the stage asks for: `meta: {resources: {gpu: N}}` in `dvc.yaml`."""
        return dvc_yaml.gpus(self.meta, self.name)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Every stage, each after all of its upstream stages."""

    stages: tuple[Stage, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(stage.name for stage in self.stages)

    def stale(self, forced: Iterable[str] = ()) -> frozenset[str]:
        """Stages that may run: changed or forced ones and everything downstream of them."""
        dirty = set(forced)
        for stage in self.stages:
            if stage.changed or not dirty.isdisjoint(stage.upstream):
                dirty.add(stage.name)
        return frozenset(dirty)

    def matching(self, targets: Iterable[str]) -> frozenset[str]:
        """Stages that a target names: a stage, a glob, or a word that stands for all its `word@...`."""
        return frozenset(name for target in targets for name in self._match(target))

    def with_upstream(self, names: Iterable[str]) -> frozenset[str]:
        """The named stages and all they depend on."""
        needed = set(names)
        for stage in reversed(self.stages):
            if stage.name in needed:
                needed.update(stage.upstream)
        return frozenset(needed)

    def plan(self, targets: Iterable[str] = (), *, force: bool = False, everything: bool = False) -> tuple[Stage, ...]:
        """The stages to submit, in order.

        Only what may be stale, and of that only what the targets need; `everything` submits up-to-date
        stages as well (DVC then skips them); `force` counts the targets, or all stages, as changed.
        """
        named = self.matching(targets)
        wanted = self.with_upstream(named) if named else frozenset(self.names)
        forced = self.forced(targets) if force else frozenset()
        may_run = frozenset(self.names) if everything else self.stale(forced)
        return tuple(stage for stage in self.stages if stage.name in wanted & may_run)

    def forced(self, targets: Iterable[str]) -> frozenset[str]:
        """What `force` runs again: the targets alone, not what they depend on; everything without targets."""
        return self.matching(targets) or frozenset(self.names)

    def to_json(self) -> str:
        document = {"stages": [asdict(stage) for stage in self.stages], "stale": sorted(self.stale())}
        return json.dumps(document, indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Graph:
        return cls(stages=tuple(_stage(entry) for entry in json.loads(text)["stages"]))

    def _match(self, target: str) -> list[str]:
        found = [n for n in self.names if n == target or n.split("@")[0] == target or fnmatchcase(n, target)]
        if not found:
            raise PlanError(f"no stage matches {target!r}; the stages are: {', '.join(self.names)}")
        return found


def _stage(entry: Mapping[str, Any]) -> Stage:
    """A stage from its JSON, whose lists become tuples again."""
    fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()}
    return Stage(**fields)


def discover(root: Path) -> Graph:
    """DVC's graph of the repository at `root`, read by a short process.

    Waits while another DVC command holds the repository's lock; a stage that is running cannot be waited for.

    Raises:
        PlanError: DVC cannot read the repository, or a stage is being run by somebody else.
    """
    command = [sys.executable, "-m", "pipeline.workspace.graph", str(root)]
    done = subprocess.run(command, cwd=PACKAGE_PARENT, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise PlanError(done.stderr.strip()[-2000:])
    return Graph.from_json(done.stdout)


def read(root: Path) -> Graph:
    """DVC's graph, read in this process: for `main` only. The working directory must be `root`."""
    import networkx
    from dvc.repo import Repo

    with Repo(str(root), _wait_for_lock=True) as repo:
        graph = repo.index.graph  # an edge leads from a stage to one it depends on
        order = networkx.lexicographical_topological_sort(graph.reverse(), key=lambda node: node.addressing)
        status = repo.status()
        return Graph(
            stages=tuple(
                _from_dvc(node, graph.successors(node), reasons(status.get(node.addressing, []))) for node in order
            )
        )


def _from_dvc(node: DvcStage, upstream: Iterable[DvcStage], changed: tuple[str, ...]) -> Stage:
    return Stage(
        name=node.addressing,
        desc=node.desc or "",
        cmd=" && ".join(node.cmd) if isinstance(node.cmd, list) else node.cmd or "",
        upstream=tuple(sorted(other.addressing for other in upstream)),
        metrics=tuple(out.def_path for out in node.outs if out.metric),
        outs=tuple(out.def_path for out in node.outs),
        uncached=tuple(out.def_path for out in node.outs if not out.use_cache),
        meta=node.meta or {},
        frozen=node.frozen,
        always_changed=node.always_changed,
        changed=changed,
    )


def reasons(status: Iterable[str | Mapping[str, Any]]) -> tuple[str, ...]:
    """DVC's nested status of one stage, flat: `changed deps: params.yaml: lr: modified`."""
    lines: list[str] = []
    for entry in status:
        if isinstance(entry, str):
            lines.append(entry)
        else:
            lines += [f"{kind}: {rest}" for kind, inner in entry.items() for rest in _flat(inner)]
    return tuple(lines)


def _flat(inner: Any) -> list[str]:
    if isinstance(inner, Mapping):
        return [f"{key}: {rest}" for key, value in inner.items() for rest in _flat(value)]
    return [str(inner)]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.workspace.graph", description="Print DVC's graph as JSON."
    )
    parser.add_argument("root", nargs="?", type=Path, default=Path.cwd())
    root: Path = parser.parse_args().root.resolve()
    if not (root / ".dvc").is_dir():
        print(f"{root} is not a DVC repository (no .dvc folder)", file=sys.stderr)
        return 1
    os.chdir(root)  # DVC addresses stages relative to the working directory
    os.environ["DVC_NO_ANALYTICS"] = "1"

    from dvc.exceptions import DvcException
    from dvc.lock import LockError

    try:
        print(read(root).to_json())
    except LockError as error:
        print(
            f"another DVC or pipeline run is working in {root}; wait for it or stop it\n{error}",
            file=sys.stderr,
        )
        return 1
    except (DvcException, *DATABASE) as error:
        hint = "" if isinstance(error, DvcException) else f"; {NOTES}"
        print(f"DVC cannot read the pipeline in {root}: {error}{hint}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
