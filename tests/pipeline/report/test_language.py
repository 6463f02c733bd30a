"""The page in Chinese: every text that is marked has its translation, and nothing but names and data is English."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import PoFileError

from pipeline.report import changes, figures, html, language, runs, wording
from pipeline.report.language import N_, _
from pipeline.report.run_data import RunData
from pipeline.workspace import links
from rosphere import translations
from rosphere.clue import published
from rosphere.clue.kinds.table import KINDS
from rosphere.encoder import precision
from rosphere.similarity import encoding, evaluators
from stages import report
from tests import catalogues
from tests.catalogues import forms, identities, untranslated
from tests.pipeline.report import test_changes, toy_reports
from tests.pipeline.report.test_report import parsed
from tests.pipeline.report.toy_reports import TASKS, put, write

ENGLISH = re.compile("[A-Za-z]{2,}(?:[ ,;:]+[A-Za-z]+)+")
# Names of models, sets, tasks, metrics and commands, and formulas.
NAMES = ("RoFormer-Sim small", "BERT base", "RoFormer base", "stsb test", "mine dev", "CLUE cluener", "cluener f1")
NAMES += ("make ui", "log N", "log p")


def test_every_text_has_its_translation_and_no_translation_is_left_over() -> None:
    kept, marked = catalogues.kept(catalogues.PAGE), catalogues.page()
    assert len(identities(marked)) > 300
    assert identities(kept) == identities(marked) and not kept.obsolete, "python -m tests.catalogues"
    assert untranslated(kept) == []


@pytest.mark.parametrize(
    ("text", "translated"),
    [
        ("{count} rows", ""),
        ("{count} rows", "{number} 行"),
        ("{share:.0%} fewer", "少 {share}"),
        ("%(what)s of", "%(that)s 的"),
        (("one row", "{count} rows"), ("一行",)),
    ],
)
def test_the_check_of_a_catalogue_can_fail(text: Any, translated: Any) -> None:
    catalogue = Catalog(locale="zh")
    catalogue.add(text, translated)
    assert untranslated(catalogue) == [forms(text)[-1]]


def test_all_that_a_template_marks_is_found() -> None:
    """By the reading of templates that the page itself uses."""
    read = {each.id for each in catalogues.page() if any(place.endswith(".j2") for place, _line in each.locations)}
    found: set[Any] = set()
    for path in html.FOLDER.glob("templates/*.j2"):
        marked = html.TEMPLATES.extract_translations(path.read_text(encoding="utf-8"))  # type: ignore[attr-defined]
        several = [(text,) if isinstance(text, str) else tuple(filter(None, text)) for _line, _function, text in marked]
        found |= {text if len(text) > 1 else text[0] for text in several}
    assert len(found) > 5 and found == read


def full(folder: Path) -> RunData:
    """Toy reports with all that the page has words for."""
    run_data = write(folder / "reports")
    sphere = {"labels": ["0", "1", "0"], "points": [[0.1, 0.2], [0.3, -0.2], [0.5, 0.1]]}
    put(folder / "reports/examples/evaluate_vae-vmf.json", {**run_data.examples("evaluate_vae@vmf"), "sphere": sphere})
    tested = {"test_score": 0.5, "test_rows": 7, "test_majority": 0.25, "test_baseline": 0.375, "dev_cut_share": 0.98}
    seeds = {"scores": [0.88, 0.92], "score_std": 0.0283, "selected_on_train_rows": 16, "select_share": 0.1}
    put(folder / "reports/tasks/sentiment.json", {**run_data.task("sentiment"), **tested, **seeds, "own": True})
    return toy_reports.run_data(folder / "reports")


def without_controls(folder: Path) -> RunData:
    run_data = full(folder)
    for name in ("pretrain_longer", "pretrain_scratch"):
        put(folder / "reports" / f"{name}.json", {"enabled": False})
    return toy_reports.run_data(run_data.folder, variants=["vmf"])


def control_ahead(folder: Path) -> RunData:
    run_data = full(folder)
    put(folder / "reports/pretrain_longer.json", {**run_data.report("pretrain_longer"), "dev_loss": 2.5})
    return toy_reports.run_data(run_data.folder, tasks=TASKS[:1])


def from_published(folder: Path) -> RunData:
    run_data = full(folder)
    fell = {"before": 0.7, "after": 0.5, "standard_error": 0.01, "units": 9}
    said = {
        "name": "minilm",
        "own": {"mrr": fell, "recall_at_1": {**fell, "after": 0.9}},
        "general": {"stsb test": fell},
    }
    report = {
        **run_data.report("evaluate_similarity"),
        "published": {"start": said, "teacher": {**said, "general": {}}},
    }
    put(folder / "reports/evaluate_similarity.json", report)
    return toy_reports.run_data(run_data.folder)


def changed(folder: Path) -> RunData:
    """In a repository, with numbers that moved since its commit."""
    run_data = full(folder)
    test_changes.workspace(folder, [*map(toy_reports.report, run_data.stages)])
    test_changes.git(folder, "add", ".")
    test_changes.git(folder, "commit", "-q", "-m", "erster")
    put(folder / "reports/evaluate_vae/vmf.json", {key: value + 1 for key, value in run_data.vae("vmf").items()})
    put(folder / "reports/pretrain.json", {**run_data.report("pretrain"), "dev_loss": 6.0, "flops": 5e12})
    return toy_reports.run_data(run_data.folder)


def written(run_data: RunData) -> tuple[str, str]:
    """The page and the summary, as the stage writes them."""
    drawn = figures.draw(run_data, run_data.folder / "figures")
    beside = runs.compared()
    page = html.page(report.TITLE, report.sections(run_data, drawn), origin=report.origin(run_data), beside=beside)
    return page, report.summary(run_data)


def english(text: str) -> list[str]:
    for name in NAMES:
        text = text.replace(name, "")
    return ENGLISH.findall(text)


@pytest.mark.parametrize(
    "made",
    [full, without_controls, control_ahead, from_published, pytest.param(changed, marks=pytest.mark.integration)],
)
def test_nothing_english_is_left_but_names(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_data = made(tmp_path)
    monkeypatch.chdir(tmp_path)
    keys = {
        each.key.replace("_", " ").replace(".", " › ") for one in run_data.declared.values() for each in one.metrics
    }
    with language.spoken("zh"):
        page, summary = written(run_data)
    shown = parsed(page)
    assert '<html lang="zh-CN">' in page and "<h2>一览</h2>" in page and '<a href="#at-a-glance">一览</a>' in page
    assert len(shown.texts) > 300
    assert [text for text in shown.texts if text not in keys and english(text)] == []
    assert [line for line in summary.splitlines() if english(line)] == []
    assert shown.fetched == []


def test_a_page_in_english_is_found_to_be_english(tmp_path: Path) -> None:
    page, _summary = written(full(tmp_path))
    assert sum(bool(english(text)) for text in parsed(page).texts) > 100


def test_one_language_leaves_nothing_behind_for_the_other(tmp_path: Path) -> None:
    run_data = full(tmp_path)
    before = written(run_data)
    with language.spoken("zh"):
        written(run_data)
    assert written(run_data) == before and '<html lang="en">' in before[0]


def test_what_changed_has_its_colour_in_every_language() -> None:
    values = [("score", 0.5, 0.9), ("score", 0.9, 0.5), ("flops", 1.0, 2.0)]
    moved = [changes.change(toy_reports.DECLARED, "evaluate@sentiment", *each) for each in values]
    with language.spoken("zh"):
        page = html.table(changes.table(moved))
    assert '<td class="better">▲ 变好</td>' in page and '<td class="worse">▼ 变差</td>' in page
    assert '<td class="changed">◆ 有变动</td>' in page


def test_a_text_that_no_catalogue_has_stays_as_it_is() -> None:
    with language.spoken("zh"):
        assert (_(""), _("Reranking"), wording.known("BERT base")) == ("", "Reranking", "BERT base")


def test_a_broken_catalogue_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "zh.po"
    path.write_text('msgid "one"\n<<<<<<< ours\nmsgstr "一"\n', encoding="utf-8")
    with pytest.raises(PoFileError):
        translations.read(path)


@pytest.mark.parametrize(
    ("number", "en", "zh"),
    [
        (99, "99", "99"),
        (1_234, "1.23 thousand", "1230"),
        (41_658_958, "41.7 million", "4170万"),
        (999_999, "1 million", "100万"),
        (1.5e9, "1.5 billion", "15亿"),
    ],
)
def test_amounts_in_the_units_of_each_language(number: float, en: str, zh: str) -> None:
    assert language.amount(number) == en
    with language.spoken("zh"):
        assert language.amount(number) == zh


# --- texts of other rooms


def chinese(texts: Mapping[str, str]) -> bool:
    return all(re.search("[\u4e00-\u9fff]", text) for text in texts.values())


def known(*texts: str) -> dict[str, str]:
    with language.spoken("zh"):
        return {text: wording.known(text) for text in texts}


def test_encoders_are_known_as_the_stage_calls_them() -> None:
    assert chinese(known(*(set(encoding.POOLINGS) - {"[CLS]"}), evaluators.OWN_TF_IDF))
    assert known("untrained mean whitened", "roformer_sim whitened to 64") == {
        "untrained mean whitened": "未训练的均值，白化",
        "roformer_sim whitened to 64": "roformer_sim，白化到 64 维",
    }
    source = (catalogues.ROOT / "stages" / "evaluate_similarity.py").read_text(encoding="utf-8")
    named = set(re.findall(r'^ +"([a-z][^":]* [^":]+)": ', source, re.MULTILINE))
    assert {"as trained", "untrained mean", "random token vectors"} <= named and chinese(known(*named))


def test_baselines_of_tasks_are_known() -> None:
    names = [kind.baseline for kind in KINDS.values()]
    assert len(names) == 4 and chinese(known(*names))
    assert known("majority, for lexicon: no character stands in 2 of the texts").popitem()[1] == (
        "多数类，代替词典：没有一个字出现在 2 个文本中"
    )


@pytest.mark.parametrize("unit", [None, "GPU with bf16", "CPU with AMX"])
def test_the_reasons_for_a_precision_are_known(unit: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "bf16_unit", lambda: unit)
    reasons = [precision.for_training(asked, width).reason for asked in ("auto", "fp32") for width in (128, 768)]
    assert chinese(known(*reasons))


def test_sources_and_links_are_known() -> None:
    sources = {each.source for each in published.PUBLISHED} - {"JunnYu/RoFormer_pytorch, test 1.0"}
    assert chinese(known(*sources, "human"))
    assert chinese(known(*links.pipelines(Path("nowhere"))))


def test_counts_are_said_word_by_word() -> None:
    with language.spoken("zh"):
        assert wording.in_words("train dropped overlap") == "训练集去掉重叠"
        assert wording.in_words("graded atec dropped empty") == "评分 atec 去掉空"
        assert wording.in_words("sentences-dev") == "句子验证集"
        assert wording.in_words("test1.1") == "测试集1.1"
        for key in COUNTS:
            assert not re.search("[a-z]", wording.in_words(key)), key
    assert wording.in_words("sentences-dev: unknown_share") == "sentences-dev: unknown_share"


# As a run on public text has them.
COUNTS = """
read kept changed dropped_duplicate dropped_short dropped_held_out cut_held_out cut_sentences cut documents
tokens unknown_share dropped_empty
groups_read groups_kept groups_merged groups_dropped_single groups_dropped_empty sentences_empty sentences_long
sentences_repeated sentences_in_earlier_group train_groups train_groups_group train_groups_question train_sentences
train_sentences_dropped_overlap dev_groups dev_sentences gold_pairs train dev test train_dropped_overlap
train_dropped_held_out dev_dropped_unlabelled negatives_read negatives_kept negatives_dropped_inside_group
negatives_dropped_repeated negatives_dropped_across_split mined_answers_read mined_passage_found mined_near_read
mined_near_dropped_identical mined_passage_dropped_unlike mined_answers_dropped_limit mined_dropped_judged_unlike
mined_near_groups_dropped_shared dropped_neutral dropped_below_positive_from positives text pairs mined_pairs negatives
labelled_pairs
""".split()


def test_a_mark_is_no_translation() -> None:
    with language.spoken("zh"):
        assert N_("Tasks") == "Tasks" and _("Tasks") == "任务"
