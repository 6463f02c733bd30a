"""A set of overrides of params.yaml, run in a workspace of its own and kept as a DVC experiment.

Two runs of the pipeline cannot share a workspace: they would write over each other's params.yaml and outputs. So an
experiment runs in a clone of the repository, made anew each time below `.dvc/tmp/exps`, where DVC keeps its own, and
filled with what is there now (flows/inputs.py). The cache of results is shared with the workspace it came from, and so
are checkpoints and tracking (a stage finds them by that very path): what was computed before a stop is not computed
again. Once the pipeline is up to date there, the experiment is saved (`dvc exp show` lists it, `dvc exp apply NAME`
brings it back) and the clone is deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows import inputs
from pipeline.workspace import git, outputs, paths
from pipeline.workspace.environment import for_commands, git_identity
from pipeline.workspace.graph import Graph, PlanError

# DVC's own reading of `-S`, in a process of its own as everything of DVC is.
APPLY = """
import sys
from dvc.exceptions import DvcException
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides
try:
    for path, overrides in to_path_overrides(sys.argv[1:]).items():
        apply_overrides(path, overrides)
except (DvcException, ValueError) as error:
    sys.exit(" ".join(str(part) for part in (error, error.__cause__) if part))
"""


# The settings of this machine (.dvc/config.local), whose relative paths begin at their own folder.
SETTINGS = """
import sys
from dvc.config import Config, merge
here, there = (Config(folder, validate=False) for folder in sys.argv[1:])
with there.edit("local") as settings:
    merge(settings, here.load_one("local"))
    settings["core"].pop("no_scm", None)
"""


def called(overrides: Sequence[str], name: str | None = None) -> str | None:
    """The name of an experiment; None without overrides.

    If nobody says, `vmf_vae.kappa=50` is `kappa50-` and six digits of a hash.
    """
    if name or not overrides:
        return name
    words = [key.rsplit(".", 1)[-1] + value for key, _, value in (override.partition("=") for override in overrides)]
    plain = re.sub(r"[^A-Za-z0-9]+", "-", "-".join(words))[:40].strip("-")
    return f"{plain}-{hashlib.sha256(chr(10).join(sorted(overrides)).encode()).hexdigest()[:6]}"


def workspace(root: Path, name: str, overrides: Sequence[str]) -> Path:
    """`root` in a clone of its repository, as it is now, changes that are not committed included, with the overrides
    applied. `root` may be a folder of a larger repository: then the clone is of all of it.

    Raises:
        PlanError: no git repository or no commit in it, a name that git refuses, an override that params.yaml refuses,
            an input of which the clone would have another version.
    """
    top, below = _repository(root)
    if subprocess.run(["git", "check-ref-format", f"refs/exps/{name}"], cwd=root).returncode:
        raise PlanError(f"an experiment's name must be one that git takes for a branch, got {name!r}")
    files = _run(root, "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", "*.dvc").split("\0")
    added = inputs.recorded(root, [file for file in files if (root / file).is_file()])
    gone = inputs.gone(added, json.loads(_run(root, *_dvc("data", "status", "--json")))) if added else []
    clone = paths.experiment(root, name)
    place = clone / below
    shutil.rmtree(clone, ignore_errors=True)
    clone.parent.mkdir(parents=True, exist_ok=True)
    _run(root, "git", "clone", "--quiet", "--shared", top, str(clone))
    # The whole difference, in one form whatever git's settings say.
    plain = ("--binary", "--no-ext-diff", "--no-color", "--no-relative", "--src-prefix=a/", "--dst-prefix=b/")
    if changes := _run(root, "git", "diff", *plain, "HEAD"):
        _run(clone, "git", "apply", "--whitespace=nowarn", "-", given=changes)
    for path in _run(root, "git", "ls-files", "--others", "--exclude-standard", "-z").split("\0"):
        if path:
            inputs.bring(root / path, place / path)
    if (local := root / ".dvc" / "config.local").is_file():
        _run(place, sys.executable, "-c", SETTINGS, str(local.parent), str(place / ".dvc"))
    _run(place, *_dvc("cache", "dir", "--local", _run(root, *_dvc("cache", "dir")).strip()))
    _run(place, *_dvc("checkout", "--allow-missing"))
    for path in gone:
        outputs.remove(place / path)
    _run(place, sys.executable, "-c", APPLY, *overrides)
    inputs.carry(root, place, clone, [*inputs.dependencies(root), *_named(place)])
    return place


def _repository(root: Path) -> tuple[str, str]:
    """The root of the git repository that `root` lies in, and where in it.

    Raises:
        PlanError: there is none, or it ignores this folder.
    """
    around = {name: value for name, value in os.environ.items() if name not in git.PLACES}
    said = git.ask(root, "rev-parse", "--show-toplevel", "--show-prefix", around=around)
    if said is None or git.ask(root, "check-ignore", "-q", ".", around=around) is not None:
        raise PlanError(f"overrides run as DVC experiments, which live in git: {root} is no git repository")
    top, below = said.split("\n")[:2]
    return top, below


def _named(place: Path) -> list[str]:
    """The inputs that params.yaml names there, if the workspace knows how to tell (`pipeline/run/check.py`)."""
    if not (place / "pipeline" / "run" / "check.py").is_file():
        return []
    return _run(place, sys.executable, "-m", "pipeline.run.check", "--inputs").splitlines()


def save(root: Path, place: Path, name: str, graph: Graph) -> None:
    """Keep what stands in `place` as the experiment `name` of `root`, one of that name replaced; delete the clone.

    Only what is up to date: left to itself `dvc exp save` writes down the stages that were not asked for as if their
    outputs had been made from what is there now.
    """
    clone, stale = paths.experiment(root, name), graph.stale()
    fresh = [stage.name for stage in graph.stages if stage.name not in stale]
    kept = [path for stage in graph.stages for path in stage.uncached]  # in git's hands, such as metrics
    here = [path for path in ("dvc.lock", *kept) if (place / path).exists()]
    known = set(_run(place, "git", "ls-files", "-z", "--", *here).split("\0")) if here else set()
    new = [argument for path in here if path not in known for argument in ("--include-untracked", path)]
    _run(place, *_dvc("exp", "save", "--force", "--name", name, *new, *fresh))
    for ref in _run(place, "git", "for-each-ref", "--format=%(refname)", "refs/exps").split():
        if ref.endswith(f"/{name}"):
            _run(root, "git", "fetch", "--quiet", "--no-write-fetch-head", str(clone), f"+{ref}:{ref}")
    shutil.rmtree(clone)


def _dvc(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "dvc", *arguments)


def _run(place: Path, *command: str, given: str | None = None) -> str:
    around = {name: value for name, value in for_commands().items() if name not in git.PLACES}
    done = subprocess.run(
        command,
        cwd=place,
        input=None if given is None else given.encode(errors="surrogateescape"),
        env={**around, **git_identity(place, around)},
        capture_output=True,
    )
    # As bytes and back: a change to a file in another encoding, or with other ends of lines, passes unharmed.
    output, errors = (text.decode(errors="surrogateescape") for text in (done.stdout, done.stderr))
    if done.returncode:
        said = " ".join((errors or output).split())[-1000:]
        raise PlanError(f"{' '.join(command[:4])}: {said}" if command[0] == "git" else said)
    return output


def number(root: Path, name: str, metric: str) -> float:
    """The value of `reports/vmf_vae.json:kl` (a dotted key for nested ones) in the experiment `name` of this commit.

    Raises:
        PlanError: no such experiment, file, key or number.
    """
    path, _, key = metric.partition(":")
    head = commit(root)
    value: Any = json.loads(_run(root, "git", "show", f"refs/exps/{head[:2]}/{head[2:]}/{name}:./{path}"))
    for word in key.split("."):
        if not isinstance(value, dict) or word not in value:
            raise PlanError(f"{path} of the experiment {name}: expected the key {key!r}, there is no {word!r}")
        value = value[word]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PlanError(f"{path} of the experiment {name}: {key}: expected a number, got {value!r}")
    return float(value)


def commit(root: Path) -> str:
    """The commit that experiments of `root` belong to.

    Raises:
        PlanError: there is none.
    """
    return _run(root, "git", "rev-parse", "HEAD").strip()


def apply(root: Path, name: str) -> None:
    """Bring an experiment's params and outputs into the workspace (`dvc exp apply`)."""
    _run(root, *_dvc("exp", "apply", name))
