"""The rules of the house, kept by a test: who may import whom, one word for everything, deps that cover the code."""

from __future__ import annotations

import ast
import re
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.report import figures
from pipeline.run import check
from pipeline.workspace import declaration, paths

ROOT = Path(__file__).resolve().parents[1]
MATERIALS = ("encoder", "smoothing", "sphere", "text", "training", "randomness", "files", "errors")
DECLARED = declaration.read(ROOT / "stages")
FORBIDDEN_IN_LIBRARY = {
    "mlflow",
    "prefect",
    "dvc",
    "yaml",
    "ruamel",
    "pydantic",
    "argparse",
    "typer",
    "click",
    "stages",
    "pipeline",
    "flows",
}


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@cache
def imports(path: Path) -> list[str]:
    """Dotted names that a file imports; ``from a import b`` gives a.b too, for b may be a module."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def file_of(name: str) -> Path | None:
    """The file of a dotted module name of ours, if there is one."""
    path = ROOT / name.replace(".", "/")
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def exempt(path: Path, script: Path) -> bool:
    """How a run is watched, and exceptions: neither changes what a stage computes.

    The page is a result: of what makes it the stage runner alone is exempt.
    """
    runner = ROOT / "pipeline" / "run"
    around = runner if script == ROOT / "stages" / "report.py" else ROOT / "pipeline"
    return path == ROOT / "rosphere" / "errors.py" or around in path.parents


def closure(path: Path) -> set[Path]:
    """Every file of ours that importing ``path`` reads, the stage runner apart."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        for name in imports(current):
            target = file_of(name)
            if target is not None and not exempt(target, path) and target.stat().st_size:
                waiting.append(target)
    return found


@cache
def pipeline() -> dict[str, dict[str, object]]:
    return dict(YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])


@cache
def params() -> dict[str, object]:
    return dict(YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", modules("rosphere"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_library_knows_nothing_of_those_who_use_it(path: Path) -> None:
    allowed = {"typer"} if ROOT / "rosphere" / "cli" in path.parents else set()
    used = {name.split(".")[0] for name in imports(path)} & (FORBIDDEN_IN_LIBRARY - allowed)
    assert not used, f"{path.relative_to(ROOT)} imports {used}"


@pytest.mark.parametrize("material", MATERIALS)
def test_materials_do_not_import_acts(material: str) -> None:
    room = ROOT / "rosphere" / material
    for path in modules(f"rosphere/{material}") if room.is_dir() else [room.with_suffix(".py")]:
        ours = {name.split(".")[1] for name in imports(path) if name.startswith("rosphere.")}
        assert ours <= set(MATERIALS), f"{path.relative_to(ROOT)} imports {ours - set(MATERIALS)}"


def stage_module(stage: dict[str, object]) -> str:
    """`stages.pretrain`, and with `exec` and `python -m` before it: else a shell stays between DVC and the stage."""
    found = re.match(r"exec python -m (\S+)", str(stage["cmd"]))
    assert found, f"dvc.yaml: expected 'exec python -m MODULE', got {stage['cmd']!r}"
    return found[1]


def test_stages_are_those_of_dvc_yaml_and_do_not_import_one_another() -> None:
    scripts = {stage_module(stage).removeprefix("stages.") for stage in pipeline().values()}
    assert {path.stem for path in modules("stages") if path.stem != "__init__"} == scripts
    for path in modules("stages"):
        others = {name.split(".")[1] for name in imports(path) if name.startswith("stages.")} - {path.stem}
        assert not others, f"{path.name} imports the stages {others}"


def test_flows_know_the_workspace_alone() -> None:
    for path in modules("flows"):
        rooms = {name.split(".")[0] for name in imports(path)}
        assert not rooms & {"stages", "rosphere"}, f"{path.name} imports {rooms & {'stages', 'rosphere'}}"
        ours = {name for name in imports(path) if name.startswith("pipeline.")}
        assert all(name.startswith("pipeline.workspace") for name in ours), f"{path.name} imports {ours}"


def test_the_workspace_knows_neither_prefect_nor_mlflow_nor_torch() -> None:
    """And of ours nothing but itself and the exceptions of the library, which import nothing."""
    for path in modules("pipeline/workspace"):
        rooms = {name.split(".")[0] for name in imports(path)}
        assert not rooms & {"prefect", "mlflow", "torch", "stages", "flows"}, f"{path.name} imports {rooms}"
        ours = {name for name in imports(path) if name.startswith("rosphere.")}
        assert all(name.startswith("rosphere.errors") for name in ours), f"{path.name} imports {ours}"
        beside = {name for name in imports(path) if name.startswith("pipeline.")}
        assert all(name.startswith("pipeline.workspace") for name in beside), f"{path.name} imports {beside}"


def test_only_the_check_knows_stages() -> None:
    """It reads what they declare; all else around a stage is the same for all of them."""
    for path in modules("pipeline"):
        if any(name.split(".")[0] == "stages" for name in imports(path)):
            assert path == ROOT / "pipeline" / "run" / "check.py", path


@pytest.mark.parametrize("word", list(pipeline()))
def test_a_stage_names_all_the_code_it_runs(word: str) -> None:
    stage = pipeline()[word]
    script = ROOT / (stage_module(stage).replace(".", "/") + ".py")
    deps = [ROOT / str(dep) for dep in stage["deps"]]  # type: ignore[attr-defined]
    missing = [path for path in closure(script) if not any(path == dep or dep in path.parents for dep in deps)]
    assert not missing, f"dvc.yaml: {word}: deps lack {[str(path.relative_to(ROOT)) for path in missing]}"


@pytest.mark.parametrize("word", list(pipeline()))
def test_a_stage_names_no_code_that_it_does_not_run(word: str) -> None:
    stage = pipeline()[word]
    script = ROOT / (stage_module(stage).replace(".", "/") + ".py")
    used = closure(script)
    for dep in stage["deps"]:  # type: ignore[attr-defined]
        path = ROOT / str(dep)
        if path.suffix == ".py" or str(dep).startswith(("rosphere/", "pipeline/", "stages/")):
            assert any(path == file or path in file.parents for file in used), f"dvc.yaml: {word}: {dep} is not used"


@pytest.mark.parametrize("word", list(pipeline()))
def test_one_word_names_everything(word: str) -> None:
    stage = pipeline()[word]
    metrics = [next(iter(entry)) for entry in stage.get("metrics", [])]  # type: ignore[attr-defined]
    item = next(iter(stage.get("matrix", {})), None)  # type: ignore[attr-defined]
    each = f"@${{item.{item}}}" if item else ""
    assert word == "report" or str(paths.report(word + each)) in metrics
    assert word == "report" or f"reports/speed/{word}{each.replace('@', '-')}.json" in metrics
    assert word in params() or word == "report"
    outs = [out if isinstance(out, str) else next(iter(out)) for out in stage.get("outs", [])]  # type: ignore[attr-defined]
    models = [out for out in outs if out.startswith("models/")]
    assert models in ([], [f"models/{word}/${{item.{item}}}" if item else f"models/{word}"])


def test_every_section_of_params_is_read_and_typed() -> None:
    assert set(params()) == set(check.types())


def test_every_stage_but_the_page_declares_what_it_is() -> None:
    assert set(DECLARED) == set(pipeline()) - {"report"}
    for word, imported in check.declarations().items():
        assert imported.settings is not None and word in params(), word
        assert replace(imported, settings=None) == DECLARED[word], "read from the text as Python imports it"


@pytest.mark.parametrize("word", list(DECLARED))
def test_what_a_stage_declares_is_there(word: str) -> None:
    declared, stage = DECLARED[word], pipeline()[word]
    keys = [metric.key for metric in declared.metrics]
    assert len(set(keys)) == len(keys)
    directions = {(metric.word, metric.better) for metric in declared.metrics}
    assert len(directions) == len({name for name, _ in directions}), "a word has one direction"
    assert all(figure in figures.DRAWERS for figure in declared.figures if isinstance(figure, str))
    rivals = [rival.stage.partition("@")[0] for metric in declared.metrics for rival in metric.rivals]
    assert set(rivals) <= {"", *DECLARED}
    listed = next(iter(stage.get("matrix", {}).values()), "")  # type: ignore[attr-defined]
    assert listed == (f"${{{declared.items}}}" if declared.items else "")


def test_figures_have_one_name_each() -> None:
    names = [name for declared in DECLARED.values() for name in declared.figure_names]
    assert len(set(names)) == len(names) and set(figures.DRAWERS) <= set(names)


def test_stages_that_read_what_a_person_lists_depend_on_its_hashes() -> None:
    """And no others: `python -m pipeline.run.check` writes a file for each of them."""
    reading = {word for word, each in check.declarations().items() if issubclass(each.settings, check.Reading)}  # type: ignore[arg-type]
    told = {word for word, stage in pipeline().items() if f"data/sources/{word}.json" in stage["deps"]}  # type: ignore[operator]
    assert reading == told


def test_no_room_is_a_drawer() -> None:
    drawers = {"utils", "util", "common", "helpers", "misc", "base", "manager"}
    named = [
        path for room in ("rosphere", "pipeline", "stages", "flows") for path in modules(room) if path.stem in drawers
    ]
    assert not named


def test_importing_does_nothing_but_define() -> None:
    """No module calls something at its top level for its effect. Apart: the figures choose a backend, and MLflow asks
    the script it serves to name its model."""
    for room in ("rosphere", "pipeline", "stages"):
        for path in modules(room):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            calls = [
                ast.unparse(node.value)
                for node in tree.body
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
            ]
            allowed = {"matplotlib.use('Agg')", "set_model(Served())"}
            if path.stem == "__main__":
                allowed |= {"main()", "sys.exit(main())"}
            assert set(calls) <= allowed, f"{path.relative_to(ROOT)} runs {calls} on import"


def test_nothing_untrusted_is_unpickled() -> None:
    for room in ("rosphere", "pipeline", "stages", "flows"):
        for path in modules(room):
            text = path.read_text(encoding="utf-8")
            assert "import pickle" not in text and "trust_remote_code=True" not in text, path
            assert "torch.load(" not in text or "weights_only=True" in text, path


def test_git_holds_no_large_file() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    large = [str(path) for path in files if path.is_file() and path.stat().st_size > 2_000_000]
    assert not large
