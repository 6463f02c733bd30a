"""The numbers by which pipelines are compared come first, with their direction and what they have to beat."""

from __future__ import annotations

from pathlib import Path

from pipeline.tracking import headline
from pipeline.workspace import declaration
from pipeline.workspace.declaration import Declaration, Metric, Rival

HOUSE = Path(__file__).resolve().parents[3]
TOP = Metric(
    key="ours.score",
    label="score",
    better="higher",
    headline="score of {item}",
    rivals=(Rival(key="baseline", name="{baseline_name}"), Rival(key="score", name="another's", stage="other")),
)
OF_ONE = Metric(key="ppl", label="ppl", headline="ppl", rivals=(Rival(key="ppl", name="x", stage="y", item="one"),))
MORE = (Metric(key="nll", label="nll", better="lower"), Metric(key="spread", label="spread"))


def test_a_headline_has_its_direction_and_the_baselines_of_its_own_report() -> None:
    declared = {"evaluate": Declaration(title="t", metrics=(TOP, *MORE)), "other": Declaration(title="o", metrics=MORE)}
    report = {"ours": {"score": 0.75}, "baseline": 0.5, "baseline_name": "TF-IDF", "nll": 2, "spread": 0.1}
    assert headline.of("evaluate@tnews", report, declared) == {
        "0 headline/evaluate tnews score - higher": 0.75,
        "0 headline/evaluate tnews score - TF-IDF": 0.5,
        "0 headline/evaluate tnews nll - lower": 2.0,
    }
    joined = headline.of("evaluate@tnews", {**report, "baseline_name": "TF-IDF + logistic regression"}, declared)
    assert joined["0 headline/evaluate tnews score - TF-IDF and logistic regression"] == 0.5
    assert headline.of("evaluate@tnews", {"ours": {"score": None}, "baseline": True}, declared) == {}
    assert headline.of("other", report, declared) == headline.of("unknown", report, declared) == {}


def test_items_that_are_only_compared_with_are_none() -> None:
    declared = {"evaluate": Declaration(title="t", metrics=(OF_ONE, *MORE))}
    report = {"ppl": 3.0, "nll": 2.0}
    assert set(headline.of("evaluate@one", report, declared)) == {
        "0 headline/evaluate one ppl",
        "0 headline/evaluate one nll - lower",
    }
    assert headline.of("evaluate@two", report, declared) == {}


def test_they_stand_before_all_other_names_and_the_stages_declare_some() -> None:
    declared = declaration.read(HOUSE / "stages")
    others = [f"{word}/{metric.key}" for word, each in declared.items() for metric in each.metrics]
    assert all(headline.GROUP < name for name in others)
    assert {word for word, each in declared.items() if any(metric.headline for metric in each.metrics)} >= {
        "pretrain_wide",
        "evaluate",
        "evaluate_similarity",
        "evaluate_vae",
    }
