"""What each room needs of other packages: as ARCHITECTURE.md says, as pyproject.toml declares, and without the rest."""

from __future__ import annotations

import ast
import math
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.test_house import ROOT, file_of, modules

OURS = {"rosphere", "pipeline", "stages", "flows"}
ROOMS = ["rosphere/" + path.name for path in sorted((ROOT / "rosphere").iterdir()) if (path / "__init__.py").is_file()]
# Packages whose names are not those of their modules.
DISTRIBUTIONS = {"sklearn": "scikit-learn", "ruamel": "ruamel-yaml", "yaml": "pyyaml"}
ROW = re.compile(r"^\| `(rosphere/\w+)` \| (.*?) \| (.*?) \|$", re.MULTILINE)


def imports(path: Path, *, later: bool) -> Iterator[str]:
    """Dotted names that a file imports when it is read and, where ``later``, in its functions; none for types alone."""
    waiting: list[ast.AST] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif later or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def files(name: str) -> Iterator[Path]:
    """The files of ours that importing a dotted name reads: those of its packages too."""
    words = name.split(".")
    found = (file_of(".".join(words[:count])) for count in range(1, len(words) + 1))
    return (path for path in found if path)


def needed(rooms: Iterable[str], *, later: bool) -> set[str]:
    """Packages of others that the modules of some rooms import, or what they import of ours does."""
    waiting, seen, found = [path for room in rooms for path in modules(room)], set(), set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in imports(path, later=later):
            package = name.partition(".")[0]
            if package in OURS:
                waiting += files(name)
            elif package not in sys.stdlib_module_names:
                found.add(canonicalize_name(DISTRIBUTIONS.get(package, package)))
    return found


def declared(names: Iterable[str]) -> set[str]:
    return {canonicalize_name(Requirement(name).name) for name in names}


def test_the_table_says_what_each_room_needs() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = {room: (always, sometimes) for room, always, sometimes in ROW.findall(text)}
    expected = {}
    for room in ROOMS:
        always, ever = needed([room], later=False), needed([room], later=True)
        expected[room] = (", ".join(sorted(always)), ", ".join(sorted(ever - always)))
    assert table == expected


def test_the_library_declares_what_it_imports_and_the_pipeline_the_rest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    library, extras = declared(project["dependencies"]), project["optional-dependencies"]
    optional = {
        "rosphere/demo": declared(extras["try"]),
        "rosphere/export": declared(extras["onnx"]),
        "rosphere/preparation": declared(extras["dask"]),
    }
    assert needed(["rosphere"], later=True) <= library.union(*optional.values())
    for room, extra in optional.items():
        assert needed([room], later=True) <= library | extra
    assert needed([name for name in ROOMS if name not in ("rosphere/cli", *optional)], later=True) <= library
    assert needed(sorted(OURS), later=True) <= library.union(declared(extras["pipeline"]), *optional.values())
    assert {"rosphere[pipeline]", "rosphere[onnx]", "rosphere[dask]"} <= set(extras["test"]), (
        "make test installs all that is tested"
    )


def test_make_installs_the_pipeline() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.findall(r"\$\(install\) -e (\S+)", recipe) == ["'.[pipeline]'", "'.[test,check]'"]


# --- rooms without the rest

ALONE = """
import sys
allowed = {*sys.argv[1:], *sys.stdlib_module_names, "rosphere"}
class Only:
    # Finds what is allowed; the rest is not there, for those too who only ask whether it is.
    finders = sys.meta_path[:]
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        package = name.partition(".")[0]
        if package not in allowed and not package.startswith("_sysconfigdata"):
            return None
        found = (finder.find_spec(name, path, target) for finder in cls.finders)
        return next(filter(None, found), None)
sys.meta_path[:] = [Only]
import torch
torch.set_default_dtype(torch.float64)
"""
SPHERE = """
from torch.distributions import kl_divergence
from rosphere.sphere import bessel, rotation
from rosphere.sphere.distributions import HypersphericalUniform, VonMisesFisher
q = VonMisesFisher(torch.tensor([0.0, 0.0, 1.0]), torch.tensor(2.0))
assert abs(q.rsample().norm() - 1) < 1e-12
print(float(kl_divergence(q, HypersphericalUniform(3))))
"""
SMOOTHING = """
from rosphere import smoothing
print(float(smoothing.relu(torch.tensor(0.0), "gaussian", 1.0)))
"""
WIDENING = """
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.widening import widen
sizes = {"embedding_size": 4, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
small = MaskedLanguageModel(EncoderConfig(vocab_size=9, intermediate_size=6, **sizes)).eval()
for parameter in small.parameters():
    parameter.data += 0.3 * torch.randn_like(parameter)
ids = torch.arange(9)[None]
print(float((widen(small, width=16, noise=0.5).eval()(ids) - small(ids)).abs().max()))
"""


def installed_with(name: str) -> set[str]:
    """Modules of a distribution and of all that it requires."""
    found, waiting = set(), [name]
    while waiting:
        current = canonicalize_name(waiting.pop())
        if current not in found:
            found.add(current)
            required = map(Requirement, metadata.requires(current) or ())
            waiting += [each.name for each in required if not each.marker or each.marker.evaluate({"extra": ""})]
    owners = metadata.packages_distributions().items()
    return {module for module, names in owners if found & set(map(canonicalize_name, names))}


@pytest.mark.integration
@pytest.mark.parametrize(
    ("program", "beside", "expected"),
    [
        # KL(vMF, uniform) in three dimensions is log(k / sinh k) + k coth k - 1
        (SPHERE, [], math.log(2 / math.sinh(2)) + 2 / math.tanh(2) - 1),
        (SMOOTHING, ["numpy"], 1 / math.sqrt(2 * math.pi)),
        (WIDENING, ["numpy"], 0.0),
    ],
    ids=["sphere", "smoothing", "widening"],
)
def test_a_room_by_itself(program: str, beside: list[str], expected: float) -> None:
    """In a process that refuses to import all but torch, what is installed with it, and what stands ``beside``."""
    command = [sys.executable, "-W", "ignore", "-c", ALONE + program, *installed_with("torch"), *beside]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.integration
def test_the_rest_is_refused() -> None:
    command = [sys.executable, "-W", "ignore", "-c", ALONE + "import rosphere.text.tokenizer", *installed_with("torch")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and re.search("No module named '(tokenizers|numpy)'", done.stderr)
