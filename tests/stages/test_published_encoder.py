"""The preset `published`: a published encoder taken as it is through the DAG, without a language model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.run import preset
from rosphere.encoder import folder
from rosphere.encoder.bare import is_bare
from tests import tiny
from tests.project import copied, dvc
from tests.shrink import shrink

pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.timeout(900)]
BARE = ("pretrain", "widen", "pretrain_wide", "simbert", "roformer_sim")


def published(workspace: Path) -> None:
    """An encoder of others, over the characters of the sample's questions."""
    texts = (path.read_text(encoding="utf-8") for path in sorted((workspace / "data/sample/faq").glob("*.jsonl")))
    pieces = tiny.tokenizer(workspace / "pieces", ["".join(texts)])
    language = tiny.language(len(pieces), model_type="bert", hidden_size=32, num_attention_heads=2)
    language.bare = True
    folder.save(language, workspace / "published", tokenizer=pieces.folder)


def test_from_the_preset_to_what_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = copied(tmp_path / "project")
    monkeypatch.chdir(workspace)
    shrink(workspace / "params.yaml")
    dvc(workspace, "init", "--no-scm", "-q")
    published(workspace)
    own = [f"{key}=published" for key in ("pretrain.init", "prepare.vocabulary.path", "roformer_sim.teacher")]
    own += ["prepare.source=sample", "prepare.held_out=0.2", "roformer_sim.supervised.files=[]", "tasks=[]"]
    preset.apply("published", [*own, "roformer_sim.schedule.steps=3"])
    done = dvc(workspace, "repro", "evaluate_similarity", "evaluate_paraphrases")
    assert done.returncode == 0, done.stdout + done.stderr
    reports = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in Path("reports").glob("*.json")}
    for name in ("pretrain", "pretrain_wide"):
        assert set(reports[name]) == {"flops", "parameters", "steps", "tokens"}, "no loss of a head that nobody trained"
        assert reports[name]["steps"] == 0
    assert "dev_lm" not in reports["roformer_sim"] and "pooler_fit" in reports["roformer_sim"]
    for name in BARE:
        assert is_bare(Path("models") / name), f"{name} has a vocabulary head that nobody trained"
    table = reports["evaluate_similarity"]["table"]
    assert table["simbert"] == pytest.approx(table["untrained mean"], abs=1e-4), "stage 1 has no steps"
    assert table["roformer_sim"] != table["simbert"]
    assert set(reports["evaluate_paraphrases"]["writing"]) == {"model", "people", "nearest", "copy"}
    assert reports["evaluate_similarity"]["published"]["start"]["name"] == "published"
