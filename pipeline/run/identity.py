"""Which stage is this, of which configuration: DVC's own view, as two fingerprints.

`stage_fp` covers what this stage is made from (command, params, hashes of its deps): equal
fingerprints mean the same work, so a checkpoint may be resumed. `pipeline_fp` covers the whole
pipeline (every command, all params, hashes of the files that no stage makes): equal fingerprints
mean the same configuration, however its stages were started.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.workspace import dvc_yaml, paths, yaml_file
from pipeline.workspace.environment import DVC_STAGE
from pipeline.workspace.graph import DATABASE, NOTES
from pipeline.workspace.yaml_file import ConfigError
from rosphere import files

LOCK_SECONDS = 10.0  # how long dvc.lock or params.yaml may be unreadable because somebody is writing it


@dataclass(frozen=True, kw_only=True)
class Identity:
    """One stage of one pipeline configuration."""

    name: str  # "evaluate@sentiment"
    home: Path  # where checkpoints, run logs and tracking database live
    stage_fp: str
    pipeline_fp: str
    params: Mapping[str, Any]  # of this stage, nested as in params.yaml
    pipeline_params: Mapping[str, Any]  # of every stage
    deps: Mapping[str, str]  # path -> hash
    upstream_metrics: Mapping[str, tuple[str, ...]]  # stage -> its metrics files
    gpus: int
    upstream: Mapping[str, str] = field(default_factory=dict)  # stage -> its stage_fp
    beside: Mapping[str, str] = field(default_factory=dict)  # the same of those that stand as they are, neither of
    # what this one reads nor of what reads it
    sources: Mapping[str, str] = field(default_factory=dict)  # path -> hash of what no stage makes


def changed(before: Identity, now: Identity) -> list[str]:
    """The params, dotted, and the dependencies of a stage that are not what they were."""
    pairs = ((_flat(before.params), _flat(now.params)), (before.deps, now.deps))
    return sorted(key for old, new in pairs for key in {*old, *new} if old.get(key) != new.get(key))


def _flat(params: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in params.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) and value else {f"{above}{key}": value}
    return found


def stage_name(default: str) -> str:
    """The name DVC started this process under, or `default` when started by hand."""
    return os.environ.get(DVC_STAGE, default)


def identify(root: Path, name: str) -> Identity:
    """The identity of stage `name` in the workspace `root`.

    Without a `.dvc` folder, a `dvc.yaml` or an installed DVC, the fingerprint is that of the name, the
    text of params.yaml and the data and models that dvc.yaml names as what the stage reads: enough to
    run a stage on a machine that has only the training libraries.
    """
    if (root / ".dvc").is_dir() and (root / dvc_yaml.FILE).is_file() and find_spec("dvc") is not None:
        return _by_dvc(root, name)
    return _plain(root, name)


def _plain(root: Path, name: str) -> Identity:
    params = root / "params.yaml"
    text = params.read_text(encoding="utf-8") if params.is_file() else ""
    return Identity(
        name=name,
        home=paths.home(root),
        stage_fp=fingerprint([name, text, read_by(root, name)]),
        pipeline_fp=fingerprint(text),
        params={},
        pipeline_params=yaml_file.read(params) if text.strip() else {},
        deps={},
        upstream_metrics={},
        gpus=dvc_yaml.declared(root, name).gpus,
    )


def read_by(root: Path, name: str) -> dict[str, str]:
    """path -> hash of what dvc.yaml says that the stage reads below data/ and models/, as far as it is there."""
    deps = dvc_yaml.declared(root, name).deps
    places = {dep: root / dep for dep in deps if dep.startswith(("data/", "models/"))}
    found = {dep: path for dep, path in places.items() if path.exists()}
    return {dep: files.folder_hash(path) if path.is_dir() else files.file_hash(path) for dep, path in found.items()}


def _by_dvc(root: Path, name: str) -> Identity:
    from dvc.exceptions import DvcException

    patience = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return _read(root, name)
        except DvcException as error:
            # DVC rewrites dvc.lock in place: a stage that ends beside this one may be at it.
            if "dvc.lock" not in str(error) or time.monotonic() > patience:
                raise ConfigError(f"DVC cannot tell what stage {name} is made from: {error}") from error
        except _Missing as error:  # an editor writes params.yaml in place, too
            if time.monotonic() > patience:
                raise ConfigError(str(error)) from error
        except DATABASE as error:
            raise ConfigError(f"DVC cannot tell what stage {name} is made from: {error}; {NOTES}") from error
        time.sleep(0.2)


class _Missing(Exception):
    """A parameter that a stage reads is not in its file."""


def _read(root: Path, name: str) -> Identity:
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        return _from_graph(repo.index.graph, name, paths.home(root))


def _from_graph(graph: Any, name: str, home: Path) -> Identity:
    import networkx

    stages = {stage.addressing: stage for stage in graph}
    if name not in stages:
        raise ConfigError(f"dvc.yaml: expected a stage named {name!r}, got {', '.join(sorted(stages))}")
    mine = stages[name]
    made = {out.def_path for stage in graph for out in stage.outs}
    hashes = _Hashes()
    above = sorted(networkx.descendants(graph, mine), key=lambda stage: str(stage.addressing))  # it reads from them
    sources = {
        dep.def_path: hashes.of(dep)
        for stage in graph
        for dep in _files(stage)
        if not any(_overlap(dep.def_path, out) for out in made)
    }
    below = networkx.ancestors(graph, mine)
    beside = [stage for stage in graph if stage not in above and stage not in below and stage is not mine]
    standing = [stage for stage in beside if _stands(graph, stage, hashes)]
    pipeline_params = {key: value for stage in graph for key, value in _params(stage).items()}
    commands = {stage.addressing: stage.cmd for stage in graph}
    return Identity(
        name=name,
        home=home,
        stage_fp=hashes.stage(mine),
        pipeline_fp=fingerprint([commands, pipeline_params, sources]),
        params=_params(mine),
        pipeline_params=pipeline_params,
        deps=hashes.deps(mine),
        upstream_metrics={
            stage.addressing: tuple(out.def_path for out in stage.outs if out.metric) for stage in (*above, *standing)
        },
        gpus=dvc_yaml.gpus(mine.meta, name),
        upstream={stage.addressing: hashes.stage(stage) for stage in above},
        beside={stage.addressing: hashes.stage(stage) for stage in standing},
        sources=sources,
    )


def _stands(graph: Any, stage: Any, hashes: "_Hashes") -> bool:
    """Whether dvc.lock says of the stage, and first of all that it reads from, that it was made from what is there now.

    Another process may be making or deleting just that: then it does not stand.
    """
    from dvc.exceptions import DvcException

    if not all(_stands(graph, above, hashes) for above in graph.successors(stage)):
        return False
    try:
        made_so = all(hashes.of(dep) == dep.hash_info.value for dep in _files(stage))
        return (
            made_so and not stage.cmd_changed and not _params_changed(stage) and all(out.exists for out in stage.outs)
        )
    except (OSError, DvcException):
        return False


def _params_changed(stage: Any) -> bool:
    from dvc.dependency import ParamsDependency

    return any(dep.workspace_status() for dep in stage.deps if isinstance(dep, ParamsDependency))


class _Hashes:
    """Of what stages read, each asked for once: a dozen stages read the same code."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def stage(self, stage: Any) -> str:
        """The `stage_fp`."""
        return fingerprint([stage.cmd, _params(stage), self.deps(stage)])

    def deps(self, stage: Any) -> dict[str, str]:
        return {dep.def_path: self.of(dep) for dep in _files(stage)}

    def of(self, dep: Any) -> str:
        if dep.fs_path not in self._known:
            # Another stage's source may be absent (an optional data set): that too is a configuration. What this
            # stage itself cannot do without, it will name when it opens it.
            self._known[dep.fs_path] = str(dep.get_hash().value) if dep.exists else "absent"
        return self._known[dep.fs_path]


def _params(stage: Any) -> dict[str, Any]:
    from dvc.dependency import ParamsDependency

    found: dict[str, Any] = {}
    for dep in stage.deps:
        if isinstance(dep, ParamsDependency):
            read = dep.read_params()
            if missing := [key for key in dep.params if key not in read]:  # DVC says nothing of them here
                raise _Missing(f"{dep.def_path}: expected {', '.join(missing)}, which stage {stage.addressing} reads")
            found.update(read)
    return found


def _files(stage: Any) -> Iterable[Any]:
    from dvc.dependency import ParamsDependency

    return (dep for dep in stage.deps if not isinstance(dep, ParamsDependency))


def _overlap(path: str, out: str) -> bool:
    """Whether `path` is the output `out`, lies in it, or is a folder that holds it."""
    return path == out or path.startswith(out + "/") or out.startswith(path + "/")


def fingerprint(content: object) -> str:
    """The same for the same content, in whatever order its mappings are."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
