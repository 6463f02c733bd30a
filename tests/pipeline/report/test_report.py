"""The page, from a small folder of reports as the stages write them."""

from __future__ import annotations

import json
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from pipeline.report import dimension, figures, html, pretraining, runs, similarity, tables, tasks, vae
from pipeline.report.figures import Figure
from pipeline.report.run_data import CONTROLS, RunData, Savings, flops_to_reach, savings
from pipeline.report.tables import Table
from pipeline.workspace import links, paths
from pipeline.workspace.environment import EXPERIMENT_NAME, MLFLOW_UI, TRACKING_URI
from rosphere.errors import InputError
from stages import report
from tests.pipeline.report import toy_reports
from tests.pipeline.report.toy_reports import RUN, TASKS, put, write

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def run_data(tmp_path: Path) -> RunData:
    return write(tmp_path / "reports")


def change(run_data: RunData, name: str, **changes: Any) -> None:
    put(run_data.folder / f"{name}.json", {**run_data.report(name), **changes})


def drawn(run_data: RunData) -> dict[str, Figure]:
    return figures.draw(run_data, run_data.folder / "figures")


def test_graded_pairs_stand_beside_what_was_published_for_the_same_split_only(run_data: RunData) -> None:
    found = similarity.graded(run_data.report("evaluate_similarity")["graded"])
    assert found.head == ("vectors", "mine dev", "stsb test")
    assert found.rows == [
        ("pooler", "0.400 / 0.300", "0.600 / 0.500"),
        ("TF-IDF", "0.200", "0.550"),
        ("published, without / with supervision", "", "0.713 / 0.763"),
    ]


def test_a_page_without_graded_pairs_does_not_speak_of_them(run_data: RunData) -> None:
    path = run_data.folder / "evaluate_similarity.json"
    put(path, {**run_data.report("evaluate_similarity"), "graded": {}})
    fresh = toy_reports.run_data(run_data.folder, tasks=TASKS, variants=["vmf", "gaussian"])
    assert not any("Published" in part for part in similarity.section(fresh, {}))
    assert any("75% of the probe" in part for part in similarity.section(fresh, {}))


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


def test_savings(run_data: RunData) -> None:
    # The wide run falls from 5 at 4 TFLOP to 3 at 8: it is at the control's 4.0 after 6 of the control's 10.
    assert savings(run_data) == Savings(against="pretrain_scratch", share=pytest.approx(0.4), cap=pytest.approx(0.6))
    assert pretraining.savings_sentence(run_data) == (
        "The widened model was at the final dev loss of the better control, the wide model from random weights, with "
        "40% fewer FLOPs, narrow run included; 60% is what could be saved at most."
    )
    measure = "FLOPs saved at the better control's final loss (at most 60%)"
    assert ("pretraining", measure, "40%") in tables.main(run_data).rows


def test_no_savings_are_claimed_where_the_control_came_out_better(run_data: RunData) -> None:
    change(run_data, "pretrain_longer", dev_loss=2.5)
    assert savings(run_data) == Savings(against="pretrain_longer", share=None, cap=pytest.approx(0.6))
    said = pretraining.savings_sentence(run_data)
    assert "the narrow model trained on ended with the lower loss" in said and "widening saved nothing" in said
    assert "none: the narrow model trained on came out better" in str(tables.main(run_data).rows)


def test_nothing_is_said_of_what_was_switched_off(run_data: RunData) -> None:
    for name in CONTROLS:
        put(run_data.folder / f"{name}.json", {"enabled": False})
        put(run_data.folder / "curves" / f"{name}.csv", "step\n0\n")
    run_data = toy_reports.run_data(run_data.folder, variants=["vmf"])
    assert not run_data.controls and run_data.vae_baselines == {} and savings(run_data) is None
    assert "switched off" in pretraining.savings_sentence(run_data)
    said = str(tables.main(run_data).rows)
    assert "Gaussian" not in said and "random weights" not in said
    assert vae.table(run_data).head == ("held-out sentences", "vmf")
    page = html.page("title", report.sections(run_data, drawn(run_data)))
    assert "switched off" in page


def test_findings_say_plainly_what_was_not_beaten(run_data: RunData) -> None:
    assert tasks.findings(run_data) == [
        "sentiment: accuracy 0.900 on 50 dev rows, above the majority baseline (0.400) and above TF-IDF (0.500).",
        "cluener: f1 0.300 on 50 dev rows, NOT above the majority baseline (0.400) and NOT above TF-IDF (0.500). "
        "It has 200 training rows: with so few, counting learns more than fine-tuning.",
    ]
    rows = tables.main(run_data).rows
    assert rows[-2] == ("sample task sentiment", "accuracy (majority / TF-IDF)", "0.900 (0.400 / 0.500)")
    assert rows[-1] == ("CLUE cluener", "f1 (majority / TF-IDF, which is NOT beaten)", "0.300 (0.400 / 0.500)")


def test_a_draw_is_not_a_win(run_data: RunData) -> None:
    put(run_data.folder / "tasks" / "sentiment.json", {**run_data.task("sentiment"), "score": 0.5})
    assert "NOT above TF-IDF" in tasks.findings(run_data)[0]
    assert "NOT beaten" in tables.main(run_data).rows[-2][1]


def test_tables_carry_the_numbers(run_data: RunData) -> None:
    assert ("widening", "largest logit change, float64 / float32", "1.2e-14 / 3.5e-06") in tables.main(run_data).rows
    assert ("widening", "dev loss before / after widening", "5.0000 / 5.0000") in tables.main(run_data).rows
    assert ("RoFormer-Sim", "recall@1 on held-out groups (untrained mean / TF-IDF)", "0.100 (0.400 / 0.500)") in (
        tables.main(run_data).rows
    )
    assert pretraining.certificate(run_data).rows[4] == ("parameters, before and after", "1,000 → 4,000")
    assert similarity.retrieval(run_data).rows[1] == ("teacher", "0.200", *["0.500"] * 5)
    assert ("vMF-VAE", "perplexity per token (the Gaussian)", "14.0 (7.5)") in tables.main(run_data).rows
    assert vae.table(run_data).rows[1] == ("KL, nats a sentence (Monte Carlo)", "7", "0.5")
    assert dimension.table(run_data).rows[0] == ("token vectors", "77 tokens", "36.2", "30", "32")
    data = dict(tables.data(run_data).rows)
    assert (data["dropped short"], data["train: tokens"]) == ("3", "99")
    assert data["task sentiment: train dropped overlap"] == "2"
    assert tables.held_out(run_data).rows == [
        ("text", "12", "2", "1", "dev_groups", "2", ""),
        ("mined pairs", "0", "0", "", "none", "0", ""),
        ("labelled pairs", "9", "3", "", "graded_sts_test", "1", "2"),
    ]
    speed = {row[0]: tuple(row[1:]) for row in tables.speed(run_data).rows}
    assert speed["prepare"] == ("12.2", "", "", "100", "")
    assert speed["pretrain"] == (
        "60.0",
        "2.50",
        "2,560",
        "1,234",
        "fp32: no bf16 matrix unit",
    )  # 2.5 steps/s of 1024 tokens
    assert speed["evaluate@cluener"] == ("60.0", "2.50", "", "1,234", "")


def test_the_sentences_under_the_dimension_figures(run_data: RunData) -> None:
    knees = "32 at 50 tokens (the rule: 30), 8 at 1,077 tokens (the rule: 58)"
    assert dimension.knees(run_data) == f"Nine tenths of what dimensions bring are there at {knees}: they disagree."
    assert dimension.heads_say(run_data) == "Head sizes differ by 0.250 nats, 32 being the best."
    change(run_data, "dimension", head_loss_spread=0.002, knees={"1077": {"rule": 58, "knee": 8.0}})
    assert dimension.knees(run_data).endswith("the rule is on the safe side.")
    assert dimension.heads_say(run_data) == "Head sizes differ by 0.002 nats, which is noise."


def test_markdown() -> None:
    assert Table(head=("a", "b"), rows=[("1", "2")]).markdown() == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_cut_rows_and_a_test_set_with_answers_are_told(run_data: RunData) -> None:
    path = run_data.folder / "tasks" / f"{run_data.tasks[0]}.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    own = {"test_score": 0.5, "test_rows": 7, "test_majority": 0.25, "test_baseline": 0.375, "dev_cut_share": 0.984}
    path.write_text(json.dumps({**found, **own}), encoding="utf-8")
    said = tasks.findings(run_data)[0]
    assert "98% of these rows are cut at max_length. On its 7 test rows: 0.500 (majority 0.250, " in said
    path.write_text(json.dumps({**found, "dev_cut_share": 0.04}), encoding="utf-8")
    assert "cut" not in tasks.findings(run_data)[0]


def test_the_summary_is_the_table_and_the_findings(run_data: RunData) -> None:
    text = report.summary(run_data)
    assert text.startswith("# rosphere: report\n\n| system | measure | value |\n")
    assert text.endswith(f"- {tasks.findings(run_data)[1]}\n")
    cells = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert cells == {4}


def test_figures_are_svgs_with_the_same_bytes_every_time(run_data: RunData) -> None:
    first = {name: figure.path.read_bytes() for name, figure in drawn(run_data).items()}
    assert set(first) == {"pretraining", "vectors", "heads", "recall", "spearman", "kl", "reconstruction", "tasks"}
    assert {name: figure.path.read_bytes() for name, figure in drawn(run_data).items()} == first
    put(run_data.folder / "tasks" / "sentiment.json", {**run_data.task("sentiment"), "score": 0.1})
    changed = {name for name, figure in drawn(run_data).items() if figure.path.read_bytes() != first[name]}
    assert changed == {"tasks"}


def test_a_figure_is_letters_that_take_the_pages_colour_and_says_what_it_shows(run_data: RunData) -> None:
    for name, figure in drawn(run_data).items():
        root = ElementTree.fromstring(figure.path.read_text(encoding="utf-8"))
        assert root.attrib["role"] == "img"
        named = {each.attrib["id"]: each.text for each in root if each.tag in (SVG + "title", SVG + "desc")}
        assert root.attrib["aria-labelledby"].split() == list(named) == [f"{name}-title", f"{name}-desc"]
        assert list(named.values()) == [figure.caption.title, figure.caption.description]
        assert re.search(r"\d", figure.caption.description), f"{name} is described without a number"
        letters = list(root.iter(SVG + "text"))
        assert len(letters) > 5
        assert {re.search(r"fill: (\w+)", each.attrib["style"])[1] for each in letters} == {"currentColor"}  # type: ignore[index]
        assert all(each.attrib["id"].startswith(f"{name}-") for each in root.iter() if "id" in each.attrib)


def test_chinese_names_stay_letters(run_data: RunData) -> None:
    put(run_data.folder / "tasks" / "天气.json", run_data.task("sentiment"))
    path = run_data.folder / "tasks.svg"
    figures.tasks(toy_reports.run_data(run_data.folder, tasks=["天气"], variants=["vmf"]), path)
    assert "天气" in path.read_text(encoding="utf-8")


class Page(HTMLParser):
    """Checks that tags close in order; collects links, cells, anchors and everything that a browser would fetch."""

    EMPTY = ("meta", "img", "link", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: list[str] = []
        self.cells: list[str] = []
        self.texts: list[str] = []  # all that is shown or read aloud

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        self.links += [given["href"]] if tag == "a" else []
        self.fetched += [given[key] for key in ("src", "srcset", "data", "action") if key in given]
        self.fetched += [given["href"]] if "href" in given and tag not in ("a", "use") else []
        self.anchors += [given["id"]] if "id" in given else []
        self.texts += [given["aria-label"]] if "aria-label" in given else []
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open[-2:]:
            self.cells.append(data)
        if data.strip() and "style" not in self.open:
            self.texts.append(data.strip())


def parsed(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page


def test_the_page_is_whole_and_loads_nothing(run_data: RunData) -> None:
    paths = drawn(run_data)
    text = html.page("rosphere: report", report.sections(run_data, paths))
    page = parsed(text)
    assert page.fetched == []
    assert text.count("<svg ") == len(paths)
    assert not re.search(r"<script|@import|url\((?!#)", text)
    assert len(set(page.anchors)) == len(page.anchors), "an id stands twice on the page"
    inner = [link for link in page.links if link.startswith("#")]
    assert inner and {link[1:] for link in inner} <= set(page.anchors)
    assert all(link.startswith(("#", "http://127.0.0.1:5000/#/")) for link in page.links)
    assert {"甲<b>", "甲&", "如何退货 / 退货流程", "从甲", "样本"} <= set(page.cells), "texts are escaped"
    assert page.cells.count("(nothing)") == 3  # no paraphrase, an empty reconstruction, an empty sample


def test_the_same_reports_give_the_same_page(run_data: RunData) -> None:
    first = html.page("title", report.sections(run_data, drawn(run_data)), origin=report.origin(run_data))
    again = toy_reports.run_data(run_data.folder, tasks=TASKS, variants=["vmf", "gaussian"])
    assert html.page("title", report.sections(again, drawn(again)), origin=report.origin(again)) == first


@given(st.text(alphabet=st.sampled_from("<>&\"'/甲a;#=")), st.text(alphabet="<>&\"'甲 "), st.text(alphabet="&'\"<>/:x"))
def test_whatever_stands_in_a_text_arrives_as_it_is(text: str, head: str, address: str) -> None:
    content = Table(head=(head,), rows=[(text,)], stages=["s"])
    parts = [html.table(content, {"s": address}), html.note(text), html.folded(head, html.note(text))]
    page = parsed(html.page(head, {"one": parts}, origin=text))
    assert "".join(page.cells) == text
    assert [link for link in page.links if link != "#one"] == ([address] if address else [])
    known = {"html", "head", "meta", "title", "style", "body", "div", "header", "h1", "p", "nav", "ul", "li", "a"}
    known |= {"section", "h2", "table", "thead", "tr", "th", "tbody", "td", "details", "summary", "footer"}
    assert set(re.findall(r"<(\w+)", html.page(head, {"one": parts}, origin=text))) <= known


def test_numbers_lead_to_the_runs_they_come_from(run_data: RunData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run_data.folder)
    for name in (MLFLOW_UI, TRACKING_URI, EXPERIMENT_NAME):
        monkeypatch.delenv(name, raising=False)
    query = f"tags.%60stage.fp%60%20LIKE%20%27{RUN}%25%27"
    address = f"http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning&searchFilter={query}"
    assert runs.addresses(run_data) == dict.fromkeys(run_data.stages, address)
    address = address.replace("&", "&amp;")
    assert f'<td class="value"><a href="{address}">0.300 (0.400 / 0.500)</a></td>' in html.table(
        tables.main(run_data), runs.addresses(run_data)
    )
    assert f'From the run of <a href="{address}">widen</a>' in html.table(
        pretraining.certificate(run_data), runs.addresses(run_data)
    )


def test_the_page_leads_to_all_pipelines_beside_one_another_and_names_no_run(
    run_data: RunData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs that are recorded later change nothing on it, and stand where it leads."""
    monkeypatch.chdir(run_data.folder)
    for name in (MLFLOW_UI, TRACKING_URI, EXPERIMENT_NAME):
        monkeypatch.delenv(name, raising=False)
    page = html.page("title", {}, beside=runs.compared())
    listed = "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning"
    listed += "&searchFilter=tags.role%20%3D%20%27pipeline%27"
    assert parsed(page).links == [listed, f"{listed}&compareRunsMode=CHART"]
    for run in ("one", "two"):
        links.note_pipeline(paths.home(paths.workspace(run_data.folder)), run)
    assert html.page("title", {}, beside=runs.compared()) == page
    monkeypatch.setenv(TRACKING_URI, "sqlite:///elsewhere.db")
    assert parsed(html.page("title", {}, beside=runs.compared())).links == []


def test_a_stage_whose_run_is_not_known_is_named_without_a_link(run_data: RunData) -> None:
    put(run_data.folder / "speed" / "widen.json", {"seconds": 1.0, "peak_memory_mib": 9.0})
    assert "widen" not in runs.addresses(run_data)
    assert html.table(pretraining.certificate(run_data), runs.addresses(run_data)).endswith("From the run of widen</p>")


def test_a_page_without_tasks(run_data: RunData) -> None:
    bare = toy_reports.run_data(run_data.folder, tasks=[], variants=["vmf", "gaussian"])
    assert "Tasks" in report.sections(bare, drawn(bare))
    assert tasks.findings(bare) == []
    assert not any(name.startswith("evaluate@") for name in bare.stages)


def test_a_broken_report_is_refused_by_name(run_data: RunData) -> None:
    put(run_data.folder / "widen.json", '{"max_logit_gap": ')
    with pytest.raises(InputError, match=r"reports/widen\.json: not JSON"):
        pretraining.certificate(run_data)


def test_a_missing_report_is_named_and_not_made_up(run_data: RunData) -> None:
    (run_data.folder / "widen.json").unlink()
    with pytest.raises((InputError, FileNotFoundError), match=r"widen\.json"):
        tables.main(run_data)


def test_a_task_of_ones_own_is_called_yours(run_data: RunData) -> None:
    put(run_data.folder / "tasks" / "sentiment.json", {**run_data.task("sentiment"), "own": True})
    assert tables.main(run_data).rows[-2][0] == "your task sentiment"
    put(run_data.folder / "tasks" / "sentiment.json", {**run_data.task("sentiment"), "own": False})
    assert tables.main(run_data).rows[-2][0] == "sample task sentiment"


def test_the_spread_over_seeds_and_what_chose_the_epoch_are_said_plainly(run_data: RunData) -> None:
    seeds = {"score": 0.9, "scores": [0.88, 0.92], "score_std": 0.0283}
    chosen = {"selected_on_train_rows": 16, "select_share": 0.1}
    put(run_data.folder / "tasks" / "sentiment.json", {**run_data.task("sentiment"), **seeds, **chosen})
    assert tasks.findings(run_data)[0] == (
        "sentiment: accuracy 0.900 ± 0.028 over 2 seeds on 50 dev rows, above the majority baseline (0.400) and above "
        "TF-IDF (0.500). The epoch was chosen on 16 training rows set apart (10%), never on these."
    )
    assert tables.main(run_data).rows[-2][1] == "accuracy (majority / TF-IDF), epoch chosen on 16 training rows"


def test_a_small_confusion_is_a_matrix_and_a_large_one_its_worst_pairs(run_data: RunData) -> None:
    small = tasks.confusion(run_data.analysis("sentiment"))
    assert small.head == ("gold \\ predicted", "00", "01", "02")
    assert small.rows == [("00", "2", "2", "0"), ("01", "0", "1", "1"), ("02", "0", "0", "0")]
    large = tasks.confusion(run_data.analysis("cluener"))
    assert large.rows[:2] == [("00", "01", "20"), ("01", "02", "19")]
    assert len(large.rows) == tasks.WHOLE_MATRIX


def test_the_tables_of_an_analysis(run_data: RunData) -> None:
    found = run_data.analysis("sentiment")
    assert tasks.classes(found).rows == [("00", "0.500", "0.250", "0.333", "7")]
    assert tasks.lengths(found, "accuracy").rows == [("0 to 15", "30", "0.750"), ("1024 or more", "20", "0.500")]
    ((row, text, gold, guess),) = tasks.wrong(found).rows
    assert (row, gold, guess) == ("4", "0", "1")
    assert text == "长" * tasks.LONGEST + "… | 错<u>"
    assert tasks.wrong(run_data.analysis("cluener")).rows[0][2] == '{"name": {"甲<i>": [[0, 3]]}}'


def test_published_figures_stand_beside_clue_tasks_only_and_by_split(run_data: RunData) -> None:
    dev = tasks.beside(run_data, "dev")
    assert dev is not None
    assert {row[0] for row in dev.rows} == {"cluener"}
    assert dev.rows[-1] == ("cluener", "rosphere", "30.00", "this run, 200 training rows, 50 dev rows")
    assert ("BERT base", "79.45") in {(row[1], row[2]) for row in dev.rows}
    assert tasks.beside(run_data, "test") is None, "of CLUENER no test figures are quoted"
    put(run_data.folder / "tasks" / "tnews.json", run_data.task("cluener"))
    other = toy_reports.run_data(run_data.folder, tasks=["tnews"], variants=["vmf"])
    test = tasks.beside(other, "test")
    assert test is not None and test.head[2] == "test, per cent"
    assert "rosphere" not in {row[1] for row in test.rows}, "a score on dev is never set beside test figures"
    assert tasks.beside(toy_reports.run_data(run_data.folder, tasks=["sentiment"], variants=["vmf"]), "dev") is None


def test_the_page_shows_every_tasks_mistakes(run_data: RunData) -> None:
    text = html.page("title", report.sections(run_data, drawn(run_data)))
    for name in TASKS:
        assert f"{name}: where it is wrong" in text
    assert "错&lt;u&gt;" in text and "错<u>" not in text


def test_a_task_without_classes_has_no_confusion(run_data: RunData) -> None:
    put(
        run_data.folder / "predictions" / "cluener" / "analysis.json",
        {**run_data.analysis("cluener"), "confusion": [], "classes": []},
    )
    assert "gold \\ predicted" not in tasks.details(run_data, "cluener", {})


def test_a_template_that_lacks_a_value_says_so() -> None:
    with pytest.raises(UndefinedError, match="'text' is undefined"):
        html.render("paragraph", kind="note")


def test_what_the_page_is_made_from_is_installed_with_it() -> None:
    project = tomllib.loads((html.FOLDER.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["pipeline.report"]
    files = {path for path in html.FOLDER.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert files and files == {path for pattern in patterns for path in html.FOLDER.glob(pattern)}


def test_a_small_set_that_does_not_beat_its_baseline_says_why(run_data: RunData) -> None:
    said = "It has 160 training rows: with so few, counting learns more than fine-tuning."
    for score, rows, expected in ((0.45, 160, True), (0.9, 160, False), (0.45, 5000, False)):
        put(
            run_data.folder / "tasks" / "sentiment.json",
            {**run_data.task("sentiment"), "score": score, "train_rows": rows},
        )
        assert (said in tasks.findings(run_data)[0]) is expected
