"""The first words of the page: what is claimed must follow from the reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.report import figures, headline, pretraining, tables
from pipeline.report.headline import Comparison
from pipeline.report.run_data import CONTROLS, RunData
from tests.pipeline.report import toy_reports
from tests.pipeline.report.toy_reports import TASKS, put, write


@pytest.fixture
def run_data(tmp_path: Path) -> RunData:
    return write(tmp_path / "reports")


@pytest.mark.parametrize(
    ("ours", "theirs", "lower", "won"),
    [
        (0.6, 0.5, False, True),
        (0.5, 0.5, False, False),
        (0.4, 0.5, False, False),
        (4.0, 5.0, True, True),
        (5, 5, True, False),
    ],
)
def test_a_draw_is_not_a_win(ours: float, theirs: float, lower: bool, won: bool) -> None:
    assert Comparison(what="x", ours=ours, theirs=theirs, against="y", stage="s", lower=lower).won is won


def test_every_rival_is_named_and_nothing_is_hidden(run_data: RunData) -> None:
    found = {(each.what, each.against): each.won for each in headline.comparisons(run_data)}
    assert len(found) == 17
    assert found["masked-token loss", "the same shape from random weights, for equal FLOPs"] is True  # 3.5 and 4.0
    assert found["masked-token loss", "the narrow model trained on, for equal FLOPs"] is True  # 3.5 and 4.25
    assert found["paraphrase found first (recall@1)", "TF-IDF"] is False
    assert found["paraphrase found first (recall@1)", "the static encoder"] is False  # 0.1 and 0.6
    assert found["VAE: perplexity per token", "the Gaussian"] is False  # 14 and 7.5: less is better
    assert found["VAE: tokens reconstructed", "the Gaussian"] is True
    assert found["cluener (f1)", "the majority baseline"] is False
    page = "".join(headline.section(run_data, {"evaluate@cluener": "http://x/#1"}))
    assert "8 of 17 comparisons are won." in page
    assert "<h3>Beaten (8)</h3>" in page and "<h3>Not beaten (9)</h3>" in page
    assert '<i>✗</i>cluener (f1): <b><a href="http://x/#1">0.300</a></b> against 0.500 of TF-IDF' in page


def test_rivals_that_were_switched_off_are_not_spoken_of(run_data: RunData) -> None:
    for name in CONTROLS:
        put(run_data.folder / f"{name}.json", {"enabled": False})
    page = "".join(headline.section(toy_reports.run_data(run_data.folder, tasks=[], variants=["vmf"]), {}))
    assert "random weights" not in page and "Gaussian" not in page and "task" not in page.lower().replace("tasks:", "")
    assert "saved against" not in page


def taken(run_data: RunData, *, head: bool, steps: int) -> None:
    """A published start: with a vocabulary head or without one, trained on in so many steps after widening."""
    for name in CONTROLS:
        put(run_data.folder / f"{name}.json", {"enabled": False})
    for name, trained in (("pretrain", 0), ("pretrain_wide", steps)):
        known = {key: value for key, value in run_data.report(name).items() if not key.startswith("dev_")}
        kept = run_data.report(name) if head or trained else known
        put(run_data.folder / f"{name}.json", {**kept, "steps": trained})
        path, curve = run_data.folder / "curves" / f"{name}.csv", run_data.curve(name)
        (curve if head or trained else curve.drop(columns="dev_loss")).to_csv(path, index=False)
    published = {"start": {"name": "org/base", "own": {}, "general": {}}}
    similarity = {**run_data.report("evaluate_similarity"), "published": published}
    put(run_data.folder / "evaluate_similarity.json", similarity)
    put(run_data.folder / "roformer_sim.json", {})


def test_where_nothing_was_pretrained_nothing_is_said_of_a_language_model(run_data: RunData) -> None:
    taken(run_data, head=False, steps=0)
    assert headline.trained(run_data) == (
        "The published model org/base, of 1 thousand parameters, was widened to 4 thousand and not trained on. From it "
        "were made a sentence encoder and a text VAE on the sphere. The model was fine-tuned on 2 tasks."
    )
    assert not any("drawn for this measure" in part for part in pretraining.section(run_data, {}))
    put(run_data.folder / "widen.json", {**run_data.report("widen"), "measured_through": "a head"})
    assert any("drawn for this measure" in part for part in pretraining.section(run_data, {}))
    assert "masked" not in headline.able(run_data)
    assert [tile.label for tile in headline.tiles(run_data)] == ["paraphrase found first", "tasks above both baselines"]
    assert not any("masked" in each.what for each in headline.comparisons(run_data))
    rows = [row[1] for row in tables.main(run_data).rows]
    assert not any("dev loss" in measure or "masked" in measure for measure in rows)
    assert "pretraining" not in figures.draw(run_data, run_data.folder / "figures")


def test_a_published_language_model_taken_as_it_is_was_not_trained_here(run_data: RunData) -> None:
    taken(run_data, head=True, steps=0)
    widen = run_data.report("widen")
    put(run_data.folder / "widen.json", {**widen, "parameters": {"before": 4000, "after": 4000}})
    assert "The published model org/base, of 4 thousand parameters, was taken as it is." in headline.trained(run_data)
    assert "masked-token loss" in [tile.label for tile in headline.tiles(run_data)]


def test_a_vocabulary_head_that_begins_after_widening(run_data: RunData) -> None:
    taken(run_data, head=False, steps=9)
    assert "A masked language model" in headline.trained(run_data)
    [tile] = [tile for tile in headline.tiles(run_data) if tile.label == "masked-token loss"]
    assert (tile.value, tile.beside) == ("3.500", "")
    assert ("pretraining", "dev loss", "3.500") in [tuple(row) for row in tables.main(run_data).rows]
    caption = figures.draw(run_data, run_data.folder / "figures")["pretraining"].caption
    assert "the narrow model" not in caption.description and "The widened model trained on" in caption.description


def test_the_words_of_the_lead(run_data: RunData) -> None:
    assert headline.trained(run_data) == (
        "A masked language model of 1 thousand parameters was trained on a corpus of 99 tokens of Chinese text, "
        "widened to 4 thousand parameters, which changed no logit by more than about 1e-14, and trained on. From it "
        "were made a sentence encoder that also writes paraphrases and a text VAE on the sphere. The model was "
        "fine-tuned on 2 tasks."
    )
    assert headline.able(run_data).endswith("Tasks: 0.900 accuracy on sentiment, 0.300 f1 on cluener.")
    one = toy_reports.run_data(run_data.folder, tasks=TASKS[:1], variants=["vmf"])
    assert headline.trained(one).endswith("The model was fine-tuned on one task.")


@pytest.mark.parametrize(
    ("number", "said"),
    [(99, "99"), (1000, "1 thousand"), (739_582, "740 thousand"), (1_941_118, "1.94 million"), (4e10, "40 billion")],
)
def test_amounts(number: float, said: str) -> None:
    assert headline.amount(number) == said


def test_the_tile_of_the_tasks_counts_both_baselines(run_data: RunData) -> None:
    assert headline.tiles(run_data)[-1].value == "1 of 2"
    put(run_data.folder / "tasks" / "sentiment.json", {**run_data.task("sentiment"), "majority": 0.95})
    assert headline.tiles(run_data)[-1].value == "0 of 2"
