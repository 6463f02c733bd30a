"""The page, from a small folder of reports as the stages write them."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.errors import InputError
from stages import report
from stages.page import dimension, figures, html, similarity, tables, tasks
from stages.page.ledger import Ledger, flops_to_reach, savings
from stages.page.tables import Table

TASKS = ["sentiment", "cluener"]
ENCODERS = ["roformer_sim", "teacher", "untrained [CLS]", "untrained mean", "TF-IDF"]


def put(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), encoding="utf-8")


def measures(kl: float) -> dict[str, float]:
    return {key: kl + place for place, key in enumerate(tables.VAE_ROWS)} | {"kl": kl, "kl_closed_form": kl + 0.001}


def trained(loss: float, flops: float) -> dict[str, float]:
    return {"dev_loss": loss, "dev_loss_at_start": 5.0, "steps": 100, "tokens": 102_400, "flops": flops}


def analysed(name: str) -> dict[str, Any]:
    metric, size = ("accuracy", 2) if name == "sentiment" else ("f1", 20)
    label = {"name": {"甲<i>": [[0, 3]]}} if name == "cluener" else "0"
    return {
        "confusion": [[f"{n:02}", f"{n + shift:02}", size - n] for n in range(size) for shift in (0, 1)],
        "classes": [{"label": "00", "precision": 0.5, "recall": 0.25, "f1": 1 / 3, "gold": 7}],
        "lengths": [
            {"from": 0, "to": 16, "rows": 30, metric: 0.75},
            {"from": 1024, "to": None, "rows": 20, metric: 0.5},
        ],
        "wrong_rows": 9,
        "wrong": [{"row": 4, "texts": ["长" * 500, "错<u>"], "gold": label, "prediction": "1"}],
    }


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    folder = tmp_path / "reports"
    table = {
        name: {**dict.fromkeys(similarity.MEASURES, 0.5), "recall_at_1": 0.1 * n} for n, name in enumerate(ENCODERS, 1)
    }
    vmf = {
        "reconstructions": [{"input": "甲<b>", "output": "甲&"}, {"input": "乙", "output": ""}],
        "interpolation": ["从甲", "到乙"],
        "samples": ["样本", ""],
        "neighbours": [{"input": "甲", "output": ["乙", "丙"]}],
    }
    reports = {
        "prepare": {
            "source": {"documents": "x"},
            "text": {"read": 12, "dropped_short": 3},
            "vocabulary": 77,
            "corpus": {"train": {"documents": 9, "tokens": 99}},
            "pairs": {"gold_pairs": 4},
            "tasks": {"sentiment": {"train": 8, "train_dropped_overlap": 2}},
        },
        "dimension": {
            "vocabulary": 77,
            "embedding_rule": 30,
            "embedding_log_formula": 36.2,
            "embedding_size": 32,
            "sequence": 128,
            "head_rule": 33,
            "head_log_formula": 40.4,
            "head_size": 64,
            "measured_sequence": 64,
            "measured_head_rule": 35,
            "best_head_size": 32.0,
            "head_loss_spread": 0.25,
            "knees": {"50": {"rule": 30, "knee": 32.0}, "1077": {"rule": 58, "knee": 8.0}},
        },
        "pretrain": trained(5.0, 4e12),
        "widen": {
            "max_logit_gap": {"float64": 1.2e-14, "float32": 3.5e-6},
            "logit_std": 1.5,
            "copies_distance": 0.25,
            "parameters": {"before": 1000, "after": 4000},
            "flops_per_token": {"before": 10, "after": 40},
        },
        "pretrain_wide": trained(3.5, 10e12),
        "pretrain_scratch": trained(4.0, 10e12),
        "simbert": {},
        "roformer_sim": {
            **table["roformer_sim"],
            "table": table,
            "graded": {
                "stsb test": {"[CLS]": {"none": 0.6, "whitened": 0.5}, "TF-IDF": {"none": 0.55}},
                "mine dev": {"[CLS]": {"none": 0.4, "whitened": 0.3}, "TF-IDF": {"none": 0.2}},
            },
            "negation": {"paraphrase_nearer": 0.75, "paraphrase_cosine": 0.9, "negation_cosine": 0.8},
            "generation": dict.fromkeys(similarity.WRITTEN, 0.25),
        },
        "vmf_vae": {"vmf": measures(7.0), "gaussian": measures(0.5), "models": ["vmf", "gaussian"]},
    }
    for name, value in reports.items():
        put(folder / f"{name}.json", value)
    for name, score in zip(TASKS, (0.9, 0.3), strict=True):
        put(
            folder / "tasks" / f"{name}.json",
            {
                "metric": "accuracy" if name == "sentiment" else "f1",
                "score": score,
                "majority": 0.4,
                "baseline": 0.5,
                "baseline_name": "TF-IDF",
                "train_rows": 200,
                "dev_rows": 50,
                "clue": name == "cluener",
            },
        )
        put(folder / "predictions" / name / "analysis.json", analysed(name))
    put(folder / "examples" / "vmf_vae.json", {"vmf": vmf})
    put(
        folder / "examples" / "roformer_sim.json",
        {
            "neighbours": [{"input": "怎么退货", "nearest": ["如何退货", "退货流程"]}],
            "paraphrases": [{"input": "怎么退货", "output": []}],
        },
    )
    for name in Ledger(folder=folder, tasks=TASKS).stages:
        put(folder / "speed" / f"{name}.json", {"seconds": 60.0, "steps_per_second": 2.5, "peak_memory_mib": 1234.5})
    put(folder / "speed" / "prepare.json", {"seconds": 12.25, "peak_memory_mib": 99.6})
    for name, losses in (("pretrain", (7.0, 5.0)), ("pretrain_wide", (5.0, 3.0)), ("pretrain_scratch", (7.0, 4.0))):
        start = 4e12 if name == "pretrain_wide" else 0.0
        lines = [f"0,{start},7.5,{losses[0]}", f"50,{start + 1e12},7.0,", f"100,{start + 4e12},6.0,{losses[1]}"]
        put(folder / "curves" / f"{name}.csv", "\n".join(["step,flops,loss,dev_loss", *lines]) + "\n")
    measured = ["50,8,5,5.5,,", "50,32,4,4.5,,", "1077,8,5,6.5,,", "1077,32,4,7.0,,", ",,,,16,5.25", ",,,,32,5.0"]
    head = "vocabulary,dimension,train_loss,dev_loss,head_size,head_dev_loss"
    put(folder / "curves" / "dimension.csv", "\n".join([head, *measured]) + "\n")
    rows = ["model,step,kl,reconstruction", "0,1,7,20", "0,2,,", "0,3,7,18", "1,1,3,20", "1,2,0.5,19"]
    put(folder / "curves" / "vmf_vae.csv", "\n".join(rows) + "\n")
    return Ledger(folder=folder, tasks=TASKS)


def change(ledger: Ledger, name: str, **changes: Any) -> None:
    put(ledger.folder / f"{name}.json", {**ledger.report(name), **changes})


def drawn(ledger: Ledger) -> dict[str, Path]:
    return figures.draw(ledger, ledger.folder / "figures")


def test_graded_pairs_stand_beside_what_was_published_for_the_same_split_only(ledger: Ledger) -> None:
    found = similarity.graded(ledger.report("roformer_sim")["graded"])
    assert found.head == ("vectors", "mine dev", "stsb test")
    assert found.rows == [
        ("[CLS]", "0.400 / 0.300", "0.600 / 0.500"),
        ("TF-IDF", "0.200", "0.550"),
        ("published, without / with supervision", "", "0.713 / 0.763"),
    ]


def test_a_page_without_graded_pairs_does_not_speak_of_them(ledger: Ledger) -> None:
    path = ledger.folder / "roformer_sim.json"
    put(path, {**ledger.report("roformer_sim"), "graded": {}})
    fresh = Ledger(folder=ledger.folder, tasks=TASKS)
    assert not any("Published" in part for part in similarity.section(fresh))
    assert any("75% of the probe" in part for part in similarity.section(fresh))


@given(
    st.lists(st.integers(1, 100), min_size=2, max_size=8),
    st.lists(st.integers(1, 100), min_size=2, max_size=8, unique=True),
    st.floats(0, 110),
)
def test_flops_to_reach_against_numpys_interpolation(steps: list[int], losses: list[int], goal: float) -> None:
    size = min(len(steps), len(losses))
    flops, falling = np.cumsum(steps[:size]).astype(float), np.sort(losses[:size])[::-1].astype(float)
    found = flops_to_reach(pd.DataFrame({"flops": flops, "dev_loss": falling}), goal)
    if goal < falling[-1]:
        assert found is None
    else:
        assert found == pytest.approx(np.interp(-goal, -falling, flops))


@pytest.mark.parametrize(
    ("losses", "goal", "expected"),
    [
        ([5.0, 3.0], 4.0, 15.0),
        ([5.0, np.nan, 3.0], 4.0, 20.0),  # steps that were not evaluated do not count
        ([5.0, 3.0, 6.0, 2.0], 4.0, 15.0),  # the first time
        ([3.0, 2.0], 4.0, 10.0),
        ([5.0, 4.5], 4.0, None),
        ([np.nan], 4.0, None),
    ],
)
def test_flops_to_reach(losses: list[float], goal: float, expected: float | None) -> None:
    flops = [10.0 * (place + 1) for place in range(len(losses))]
    assert flops_to_reach(pd.DataFrame({"flops": flops, "dev_loss": losses}), goal) == expected


def test_savings(ledger: Ledger) -> None:
    # The wide run falls from 5 at 4 TFLOP to 3 at 8: it is at the control's 4.0 after 6 of the control's 10.
    assert savings(ledger) == pytest.approx(0.4)
    assert report.savings_sentence(ledger) == (
        "The widened model was at the control's final dev loss with 40% fewer FLOPs, narrow run included."
    )
    assert ("pretraining", "FLOPs saved at the control's final loss", "40%") in tables.main(ledger).rows


def test_no_savings_are_claimed_where_the_control_came_out_better(ledger: Ledger) -> None:
    change(ledger, "pretrain_scratch", dev_loss=2.5)
    assert savings(ledger) is None
    assert "widening saved nothing" in report.savings_sentence(ledger)
    assert "none: the control came out better" in str(tables.main(ledger).rows)


def test_nothing_is_said_of_what_was_switched_off(ledger: Ledger) -> None:
    put(ledger.folder / "pretrain_scratch.json", {"enabled": False})
    put(ledger.folder / "curves" / "pretrain_scratch.csv", "step\n0\n")
    put(ledger.folder / "vmf_vae.json", {"vmf": measures(7.0), "models": ["vmf"]})
    put(ledger.folder / "curves" / "vmf_vae.csv", "model,step,kl,reconstruction\n0,1,7,20\n")
    assert ledger.scratch is None and ledger.gaussian is None and savings(ledger) is None
    assert "switched off" in report.savings_sentence(ledger)
    said = str(tables.main(ledger).rows)
    assert "Gaussian" not in said and "random weights" not in said
    assert tables.vae(ledger).head == ("held-out sentences", "vmf")
    page = html.page("title", report.sections(ledger, drawn(ledger)))
    assert "switched off" in page


def test_verdicts_say_plainly_what_was_not_beaten(ledger: Ledger) -> None:
    assert report.verdicts(ledger) == [
        "sentiment: accuracy 0.900 on 50 dev rows, above the majority baseline (0.400) and above TF-IDF (0.500).",
        "cluener: f1 0.300 on 50 dev rows, NOT above the majority baseline (0.400) and NOT above TF-IDF (0.500).",
    ]
    rows = tables.main(ledger).rows
    assert rows[-2] == ("sample task sentiment", "accuracy (majority / TF-IDF)", "0.900 (0.400 / 0.500)")
    assert rows[-1] == ("CLUE cluener", "f1 (majority / TF-IDF, which is NOT beaten)", "0.300 (0.400 / 0.500)")


def test_a_draw_is_not_a_win(ledger: Ledger) -> None:
    put(ledger.folder / "tasks" / "sentiment.json", {**ledger.task("sentiment"), "score": 0.5})
    assert "NOT above TF-IDF" in report.verdicts(ledger)[0]
    assert "NOT beaten" in tables.main(ledger).rows[-2][1]


def test_tables_carry_the_numbers(ledger: Ledger) -> None:
    assert ("widening", "largest logit change, float64 / float32", "1.2e-14 / 3.5e-06") in tables.main(ledger).rows
    assert ("widening", "dev loss before / after widening", "5.0000 / 5.0000") in tables.main(ledger).rows
    assert ("RoFormer-Sim", "recall@1 on held-out groups (untrained mean / TF-IDF)", "0.100 (0.400 / 0.500)") in (
        tables.main(ledger).rows
    )
    assert tables.widening(ledger).rows[3] == ("parameters, before and after", "1000 → 4000")
    assert similarity.retrieval(ledger.report("roformer_sim")).rows[1] == ("teacher", "0.200", *["0.500"] * 5)
    assert tables.vae(ledger).rows[1] == ("KL, nats a sentence (Monte Carlo)", "7", "0.5")
    assert tables.dimension(ledger).rows[0] == ("token vectors", "77 tokens", "36.2", "30", "32")
    data = dict(tables.data(ledger).rows)
    assert (data["dropped short"], data["train: tokens"]) == ("3", "99")
    assert data["task sentiment: train dropped overlap"] == "2"
    speed = {row[0]: tuple(row[1:]) for row in tables.speed(ledger).rows}
    assert speed["prepare"] == ("12.2", "", "", "100")
    assert speed["pretrain"] == ("60.0", "2.50", "2,560", "1,234")  # 2.5 steps/s of 1024 tokens
    assert speed["evaluate-cluener"] == ("60.0", "2.50", "", "1,234")


def test_the_sentence_under_the_dimension_figure(ledger: Ledger) -> None:
    knees = "32 at 50 tokens (the rule: 30), 8 at 1,077 tokens (the rule: 58)"
    said = f"Nine tenths of what dimensions bring are there at {knees}: they disagree. Head sizes differ by"
    assert dimension.sentence(ledger) == f"{said} 0.250 nats, 32 being the best."
    change(ledger, "dimension", head_loss_spread=0.002, knees={"1077": {"rule": 58, "knee": 8.0}})
    assert dimension.sentence(ledger).endswith("on the safe side. Head sizes differ by 0.002 nats, which is noise.")


def test_markdown() -> None:
    assert Table(head=("a", "b"), rows=[("1", "2")]).markdown() == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_the_summary_is_the_table_and_the_verdicts(ledger: Ledger) -> None:
    text = report.summary(ledger)
    assert text.startswith("# rosphere: report\n\n| system | measure | value |\n")
    assert text.endswith(f"- {report.verdicts(ledger)[1]}\n")
    cells = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert cells == {4}


def test_figures_are_pngs_with_the_same_bytes_every_time(ledger: Ledger) -> None:
    first = {name: path.read_bytes() for name, path in drawn(ledger).items()}
    assert set(first) == {"pretraining", "dimension", "similarity", "kl", "tasks"}
    assert all(data.startswith(b"\x89PNG\r\n\x1a\n") for data in first.values())
    assert {name: path.read_bytes() for name, path in drawn(ledger).items()} == first
    put(ledger.folder / "tasks" / "sentiment.json", {**ledger.task("sentiment"), "score": 0.1})
    changed = {name for name, path in drawn(ledger).items() if path.read_bytes() != first[name]}
    assert changed == {"tasks"}


class Page(HTMLParser):
    """Checks that tags close in order; collects text, headings and everything the page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for key, value in attrs if key in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


def test_the_page_is_whole_and_loads_nothing(ledger: Ledger) -> None:
    paths = drawn(ledger)
    text = html.page("rosphere: report", report.sections(ledger, paths))
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    prefix = "data:image/png;base64,"
    assert len(page.links) == len(paths)
    images = {base64.b64decode(link.removeprefix(prefix)) for link in page.links if link.startswith(prefix)}
    assert images == {path.read_bytes() for path in paths.values()}
    assert not re.search(r"https?://|<script|@import|url\(", text)
    assert {"甲<b>", "甲&", "如何退货 / 退货流程", "从甲", "样本"} <= set(page.cells), "texts are escaped"
    assert page.cells.count("(nothing)") == 3  # no paraphrase, an empty reconstruction, an empty sample


def test_a_page_without_tasks(ledger: Ledger) -> None:
    bare = Ledger(folder=ledger.folder, tasks=[])
    assert "Tasks" in report.sections(bare, drawn(bare))
    assert report.verdicts(bare) == []
    assert not any(name.startswith("evaluate") for name in bare.stages)


def test_a_broken_report_is_refused_by_name(ledger: Ledger) -> None:
    put(ledger.folder / "widen.json", '{"max_logit_gap": ')
    with pytest.raises(InputError, match=r"reports/widen\.json: not JSON"):
        tables.widening(ledger)


def test_a_missing_report_is_named_and_not_made_up(ledger: Ledger) -> None:
    (ledger.folder / "widen.json").unlink()
    with pytest.raises((InputError, FileNotFoundError), match=r"widen\.json"):
        tables.main(ledger)


def test_the_spread_over_seeds_and_a_look_at_dev_are_said_plainly(ledger: Ledger) -> None:
    seeds = {"score": 0.9, "scores": [0.88, 0.92], "score_std": 0.0283}
    put(ledger.folder / "tasks" / "sentiment.json", {**ledger.task("sentiment"), **seeds, "selected_on_dev": True})
    assert report.verdicts(ledger)[0] == (
        "sentiment: accuracy 0.900 ± 0.028 over 2 seeds on 50 dev rows, above the majority baseline (0.400) and above "
        "TF-IDF (0.500). The epoch was chosen on these dev rows, so the score flatters."
    )
    assert tables.main(ledger).rows[-2][1] == "accuracy (majority / TF-IDF), epoch chosen on these rows"


def test_a_small_confusion_is_a_matrix_and_a_large_one_its_worst_pairs(ledger: Ledger) -> None:
    small = tasks.confusion(ledger.analysis("sentiment"))
    assert small.head == ("gold \\ predicted", "00", "01", "02")
    assert small.rows == [("00", "2", "2", "0"), ("01", "0", "1", "1"), ("02", "0", "0", "0")]
    large = tasks.confusion(ledger.analysis("cluener"))
    assert large.rows[:2] == [("00", "01", "20"), ("01", "02", "19")]
    assert len(large.rows) == tasks.WHOLE_MATRIX


def test_the_tables_of_an_analysis(ledger: Ledger) -> None:
    found = ledger.analysis("sentiment")
    assert tasks.classes(found).rows == [("00", "0.500", "0.250", "0.333", "7")]
    assert tasks.lengths(found, "accuracy").rows == [("0 to 15", "30", "0.750"), ("1024 or more", "20", "0.500")]
    ((row, text, gold, guess),) = tasks.wrong(found).rows
    assert (row, gold, guess) == ("4", "0", "1")
    assert text == "长" * tasks.LONGEST + "… | 错<u>"
    assert tasks.wrong(ledger.analysis("cluener")).rows[0][2] == '{"name": {"甲<i>": [[0, 3]]}}'


def test_published_figures_stand_beside_clue_tasks_only_and_by_split(ledger: Ledger) -> None:
    dev = tasks.beside(ledger, "dev")
    assert dev is not None
    assert {row[0] for row in dev.rows} == {"cluener"}
    assert dev.rows[-1] == ("cluener", "rosphere", "30.00", "this run, 200 training rows, 50 dev rows")
    assert ("BERT base", "79.45") in {(row[1], row[2]) for row in dev.rows}
    assert tasks.beside(ledger, "test") is None, "of CLUENER no test figures are quoted"
    put(ledger.folder / "tasks" / "tnews.json", ledger.task("cluener"))
    other = Ledger(folder=ledger.folder, tasks=["tnews"])
    test = tasks.beside(other, "test")
    assert test is not None and test.head[2] == "test, per cent"
    assert "rosphere" not in {row[1] for row in test.rows}, "a score on dev is never set beside test figures"
    assert tasks.beside(Ledger(folder=ledger.folder, tasks=["sentiment"]), "dev") is None


def test_the_page_shows_every_tasks_mistakes(ledger: Ledger) -> None:
    text = html.page("title", report.sections(ledger, drawn(ledger)))
    for name in TASKS:
        assert f"{name}: where it is wrong" in text
    assert "错&lt;u&gt;" in text and "错<u>" not in text


def test_a_task_without_classes_has_no_confusion(ledger: Ledger) -> None:
    put(
        ledger.folder / "predictions" / "cluener" / "analysis.json",
        {**ledger.analysis("cluener"), "confusion": [], "classes": []},
    )
    assert "gold \\ predicted" not in tasks.details(ledger, "cluener")
