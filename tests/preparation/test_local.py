"""The user's own files; and, where ROSPHERE_DATA names them, the real CLUE files."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rosphere.clue.gold.entities import gold_spans
from rosphere.errors import InputError
from rosphere.preparation import labelled, local, writing
from rosphere.preparation.labelled import PairFiles
from rosphere.preparation.local import TextFiles
from rosphere.preparation.source import Source
from rosphere.text.cleaning import fingerprint

REAL = os.environ.get("ROSPHERE_DATA") or None
needs_data = pytest.mark.skipif(REAL is None, reason="ROSPHERE_DATA does not name a folder with clue/ and pairs/")


def write(path: Path, *lines: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def load(text: Sequence[Path], pairs: Sequence[Path] = (), tasks: Path | None = None, *names: str) -> Source:
    return local.load(list(map(str, text)), list(map(str, pairs)), str(tasks) if tasks else None, names)


def test_text_from_files_folders_and_globs(tmp_path: Path) -> None:
    write(tmp_path / "a" / "one.txt", "第一行", "第二行")
    write(tmp_path / "a" / "deep" / "two.jsonl", {"text": "第三行", "id": 1}, {"text": "第四行"})
    write(tmp_path / "a" / "notes.md", "不读")
    expected = ["第三行", "第四行", "第一行", "第二行"]
    assert list(load([tmp_path / "a"]).documents()) == expected
    assert list(load([tmp_path / "a" / "**" / "*.jsonl", tmp_path / "a" / "one.txt"]).documents()) == expected
    source = load([tmp_path / "a"])
    assert list(source.documents()) == list(source.documents()), "documents can be read more than once"


@pytest.mark.parametrize(
    ("name", "text", "given"),
    [
        (
            "a.csv",
            "no,q,reply,same\n1,甲,乙,1\n2,丙,丁,0\n3,戊,己,\n",
            {"fields": {"sentence1": "q", "sentence2": "reply", "label": "same"}},
        ),
        (
            "a.tsv",
            "1\t甲\t乙\t1\t网\n2\t丙\t丁\t0\t网\n3\t戊\t己\t-\t网\n",
            {"columns": ["no", "sentence1", "sentence2", "label", "from"]},
        ),
        (
            "a.jsonl",
            '{"问": "甲", "答": "乙", "同": true, "label": 0}{"问": "丙", "答": "丁", "同": false, "label": 1}'
            '{"问": "戊", "答": "己", "同": null, "label": 1}',
            {"fields": {"sentence1": "问", "sentence2": "答", "label": "同"}},
        ),
    ],
)
def test_fields_of_pairs_may_have_other_names(tmp_path: Path, name: str, text: str, given: dict[str, Any]) -> None:
    write(tmp_path / "text.txt", "第一行")
    usual = write(tmp_path / "usual.tsv", "庚\t辛")
    (tmp_path / name).write_text(text, encoding="utf-8")
    pairs = [PairFiles(files=str(tmp_path / name), **given), str(usual)]
    source = local.load([str(tmp_path / "text.txt")], pairs, None, [])
    assert [group.texts for group in source.groups] == [("甲", "乙"), ("庚", "辛")]
    assert [(each.sentence1, each.sentence2) for each in source.negatives] == [("丙", "丁")]
    assert source.rows["pairs"] == {
        "read": 4, "kept": 3, "positives": 2, "negatives": 1, "dropped_unlabelled": 1,
    }  # fmt: skip


def test_fields_of_groups_and_of_text_may_have_other_names(tmp_path: Path) -> None:
    groups = write(tmp_path / "groups.jsonl", {"标准问": "怎么退货", "相似问": ["如何退货"], "text": "客服"})
    named = PairFiles(files=str(groups), fields={"text": "标准问", "synonyms": "相似问"})
    (tmp_path / "a.csv").write_text("id,内容\n1,第一行\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("1\t第二行\n", encoding="utf-8")
    plain = write(tmp_path / "c.txt", "第三\t行")
    text = [
        TextFiles(files=str(tmp_path / "a.csv"), fields={"text": "内容"}),
        TextFiles(files=str(tmp_path / "b.txt"), columns=["id", "text"]),
        str(plain),
    ]
    source = local.load(text, [named], None, [])
    assert list(source.documents()) == ["第一行", "第二行", "第三\t行"]
    assert local.probe(text) == (["第一行", "第二行", "第三\t行"], True)
    assert [group.texts for group in source.groups] == [("怎么退货", "如何退货")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sentence1": "q", "sentence2": "r"}, r"a\.jsonl:1: expected 'r', which fields names, the row has q, reply"),
        ({"sentence1": "q"}, r"a\.jsonl:1: expected text under 'sentence2', got nothing"),
    ],
)
def test_a_field_that_does_not_stand_there_is_refused(tmp_path: Path, given: dict[str, str], message: str) -> None:
    path = write(tmp_path / "a.jsonl", {"q": "甲", "reply": "乙"})
    with pytest.raises(InputError, match=message):
        local.load([str(path)], [PairFiles(files=str(path), fields=given)], None, [])
    with pytest.raises(InputError, match="fields: expected some of text, got 'sentence1'"):
        TextFiles(files=str(path), fields=given)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([{"text": "怎么退货", "synonyms": ["如何退货", "退货　流程"]}], [("怎么退货", "如何退货", "退货 流程")]),
        (
            [
                {"sentence1": "甲", "sentence2": "乙", "label": "1"},
                {"sentence1": "丙", "sentence2": "丁", "label": "0"},
                {"sentence1": "戊", "sentence2": "己", "label": 1},
                {"sentence1": "庚", "sentence2": "辛"},
                '{"source": "壬", "target": "癸", "label": 1}{"source": "子", "target": "丑", "label": 0}',
            ],
            [("甲", "乙"), ("戊", "己"), ("庚", "辛"), ("壬", "癸")],
        ),
    ],
)
def test_groups_of_json_lines(tmp_path: Path, lines: list[object], expected: list[tuple[str, ...]]) -> None:
    groups = list(local.read_groups(write(tmp_path / "pairs.jsonl", *lines)))
    assert [group.texts for group in groups] == expected
    assert len({group.family for group in groups}) == len(groups)


@pytest.mark.parametrize("suffix", [".txt", ".tsv"])
def test_groups_of_tab_separated_pairs(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"pairs{suffix}", "甲\t乙\t1", "丙\t丁\t0", "戊\tＡ")
    assert [group.texts for group in local.read_groups(path)] == [("甲", "乙"), ("戊", "A")]


def test_files_of_one_name_do_not_share_families(tmp_path: Path) -> None:
    """Else line 1 of one train.txt would pass for a near miss of line 1 of another."""
    paths = [write(tmp_path / name / "train.txt", f"{name}一\t{name}二\t1") for name in ("甲", "乙")]
    source = load([paths[0]], paths)
    assert len({group.family for group in source.groups}) == 2
    assert len({group.name for group in source.groups}) == 2


@pytest.mark.parametrize(
    ("name", "line", "complaint"),
    [
        ("a.txt", "只有一段", r"a\.txt:2: expected 2 texts and perhaps a label, got 1 fields"),
        ("a.txt", "甲\t乙\t1\t多", r"a\.txt:2: expected 2 texts and perhaps a label, got 4 fields"),
        ("a.jsonl", {"text": "甲", "synonyms": [1]}, r"a\.jsonl:2: expected a list of texts under 'synonyms', got \["),
        ("a.jsonl", {"text": "甲", "synonyms": "乙"}, r"a\.jsonl:2: expected a list of texts under 'synonyms', got '"),
        ("a.jsonl", {"synonyms": ["乙"]}, r"a\.jsonl:2: expected text under 'text', got nothing"),
        ("a.jsonl", {"sentence1": "甲"}, r"a\.jsonl:2: expected text under 'sentence2', got nothing"),
        ("a.jsonl", "{", r"a\.jsonl:2: not JSON"),
    ],
)
def test_a_malformed_pair_is_refused_with_its_line(tmp_path: Path, name: str, line: object, complaint: str) -> None:
    good = "甲\t乙" if name.endswith("txt") else {"sentence1": "甲", "sentence2": "乙"}
    path = write(tmp_path / name, good, line)
    with pytest.raises(InputError, match=complaint):
        load([path], [path])


def test_text_of_the_wrong_field_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "好"}, {"content": "好"})
    with pytest.raises(InputError, match=r"a\.jsonl:2: expected text under 'text', got nothing"):
        list(load([path]).documents())


def test_answers_are_read_when_they_are_needed(tmp_path: Path) -> None:
    text = write(tmp_path / "a.txt", "好")
    path = write(
        tmp_path / "qa.jsonl", {"question": "问", "answers": ["甲", "乙"]}, {"question": "又问", "answers": []}
    )
    source = local.load([str(text)], [], None, [], answers=[str(path)])
    assert list(source.answers()) == list(source.answers()) == [["甲", "乙"], []]
    with pytest.raises(InputError, match=r"params\.yaml: prepare\.local\.answers: nothing found at .*gone"):
        local.load([str(text)], [], None, [], answers=[str(tmp_path / "gone")])


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"answers": ["甲"]}, r"qa\.jsonl:2: expected text under 'question', got nothing"),
        ({"question": "问"}, r"qa\.jsonl:2: expected a list of texts under 'answers', got None"),
        ({"question": "问", "answers": ["甲", 1]}, r"qa\.jsonl:2: expected a list of texts under 'answers', got \["),
        ("[", r"qa\.jsonl:2: not JSON"),
    ],
)
def test_malformed_answers_are_refused_with_their_line(tmp_path: Path, line: object, complaint: str) -> None:
    path = write(tmp_path / "qa.jsonl", {"question": "问", "answers": ["甲"]}, line)
    with pytest.raises(InputError, match=complaint):
        list(local.read_answers(path))


def test_graded_sets_by_name(tmp_path: Path) -> None:
    text = write(tmp_path / "a.txt", "好")
    write(tmp_path / "sts" / "test.txt", "甲\t乙\t3")
    source = local.load([str(text)], [], None, [], graded={"sts": str(tmp_path / "sts")})
    assert [(row.sentence1, row.score, row.split) for row in source.graded["sts"]] == [("甲", 3.0, "test")]


def test_missing_and_empty_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"params\.yaml: prepare\.local\.text: expected files, .* got none"):
        load([])
    with pytest.raises(InputError, match=r"params\.yaml: prepare\.local\.text: nothing found at .*gone"):
        load([tmp_path / "gone"])
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"prepare\.local\.text: nothing found at .*folder"):
        load([tmp_path / "folder"])
    (tmp_path / "empty.txt").touch()
    with pytest.raises(InputError, match=r"empty\.txt: the file is empty"):
        load([tmp_path / "empty.txt"])
    text = write(tmp_path / "a.txt", "好")
    with pytest.raises(InputError, match=r"params\.yaml: prepare\.local\.pairs: nothing found at .*gone"):
        load([text], [tmp_path / "gone"])


def test_only_the_named_tasks_are_read(tmp_path: Path) -> None:
    text = write(tmp_path / "a.txt", "好")
    for split in ("train", "dev"):
        write(tmp_path / "tasks" / "tnews" / f"{split}.json", {"sentence": f"新闻{split}", "label": "100"})
    assert list(load([text], [], tmp_path / "tasks", "tnews").tasks) == ["tnews"]
    assert load([text], [], None, "tnews").tasks == {}
    with pytest.raises(InputError, match=r"afqmc: no such folder \(task afqmc\)"):
        load([text], [], tmp_path / "tasks", "afqmc")


@needs_data
def test_the_real_clue_files_fit_their_declarations(tmp_path: Path) -> None:
    clue = Path(str(REAL)) / "clue"
    names = [name for name in ("afqmc", "iflytek", "cluewsc2020", "csl", "cluener") if (clue / name).is_dir()]
    source = load([clue / "afqmc" / "dev.json"], [], clue, *names)
    sizes = {name: (len(splits["train"]), len(splits["dev"])) for name, splits in source.tasks.items()}
    published = {"afqmc": (34334, 4316), "cluewsc2020": (1244, 304), "csl": (20000, 3000), "cluener": (10748, 1343)}
    assert {name: size for name, size in sizes.items() if name in published} == published
    assert sizes["iflytek"][1] == 2599


@needs_data
def test_real_coreference_spans_stand_where_they_say() -> None:
    clue = Path(str(REAL)) / "clue"
    rows = load([clue / "afqmc" / "dev.json"], [], clue, "cluewsc2020").tasks["cluewsc2020"]["dev"]
    for row in rows:
        for span in ("span1", "span2"):
            begin, text = row["target"][f"{span}_index"], row["target"][f"{span}_text"]
            assert row["text"][begin : begin + len(text)] == text


@needs_data
def test_924_real_tnews_sentences_are_in_train_and_dev(tmp_path: Path) -> None:
    clue = Path(str(REAL)) / "clue"
    splits = load([clue / "afqmc" / "dev.json"], [], clue, "tnews").tasks["tnews"]
    dev = {row["sentence"] for row in splits["dev"]}
    assert len(dev & {row["sentence"] for row in splits["train"]}) == 924
    counts = writing.write_task("tnews", splits, tmp_path)
    assert counts["train"] + counts["train_dropped_overlap"] == 53360
    marks = {fingerprint(row["sentence"]) for row in splits["dev"]}
    with (tmp_path / "train.jsonl").open(encoding="utf-8") as file:
        assert not any(fingerprint(json.loads(line)["sentence"]) in marks for line in file)


@needs_data
def test_real_ocnli_rows_without_a_label_are_dropped() -> None:
    folder = Path(str(REAL)) / "clue"
    splits = load([folder / "afqmc" / "dev.json"], [], folder, "ocnli").tasks["ocnli"]
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 50437, "dev": 2950, "test": 3000}
    assert {row["label"] for row in splits["dev"]} == {"contradiction", "entailment", "neutral"}


@needs_data
def test_real_entities_survive_tokenisation(tmp_path: Path) -> None:
    from rosphere.clue.examples import examples
    from rosphere.clue.tasks import TASKS
    from tests import tiny

    clue = Path(str(REAL)) / "clue"
    rows = load([clue / "afqmc" / "dev.json"], [], clue, "cluener").tasks["cluener"]["dev"]
    pieces = tiny.tokenizer(tmp_path, [row["text"] for row in rows])
    made = examples(TASKS["cluener"], rows, pieces)
    gold, kept = sum(len(gold_spans(row)) for row in rows), sum(len(example.target) for example in made)
    assert kept / gold > 0.99


def test_a_literal_name_wins_over_a_pattern_and_endings_have_no_case(tmp_path: Path) -> None:
    literal = write(tmp_path / "[2023]语料.TXT", "好")
    write(tmp_path / "2语料.TXT", "坏")
    assert list(load([literal]).documents()) == ["好"]
    write(tmp_path / "a.csv", "text,n", "天气,1")
    write(tmp_path / "b.json", '[{"text": "很好"}]')
    (tmp_path / "notes.md").write_text("不读", encoding="utf-8")
    source = load([tmp_path])
    assert list(source.documents()) == ["坏", "好", "天气", "很好"]
    assert source.unread == [str(tmp_path / "notes.md")]


def test_no_pair_that_is_alike_is_refused_with_the_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "甲\t乙\t0", "丙\t丁\tneutral")
    expected = r"prepare\.local\.pairs: .* got none of 2 rows \(1 dropped_neutral, 1 not alike\)"
    with pytest.raises(InputError, match=expected):
        load([path], [path])


@needs_data
def test_a_released_set_of_question_pairs_becomes_components() -> None:
    from rosphere.preparation.components import Components

    found = labelled.read(Path(str(REAL)) / "pairs" / "lcqmc" / "dev.txt")
    connected = Components(found.groups)
    assert found.counts["read"] == found.counts["kept"] == 8802
    kept = list(connected.apart(found.negatives))
    assert connected.counts["groups_kept"] + connected.counts["groups_merged"] <= connected.counts["groups_read"]
    dropped = sum(n for name, n in connected.counts.items() if name.startswith("negatives_dropped"))
    assert len(kept) + dropped == found.counts["negatives"]


@needs_data
def test_real_grades_are_no_labels() -> None:
    path = Path(str(REAL)) / "pairs" / "stsb" / "train.txt"
    with pytest.raises(InputError, match=r"expected a label 0 or 1, got the grade"):
        labelled.read(path)
    found = labelled.read(path, positive_from=5)
    assert {group.texts for group in found.groups} and not found.negatives
    assert found.counts["read"] == 5231 == found.counts["kept"] + found.counts["dropped_below_positive_from"]


def test_of_very_many_files_some_are_named(tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"{number:02d}.txt").write_text("甲")
    named = load([tmp_path]).origin["documents"]
    assert named.startswith(f"{tmp_path / '00.txt'}, ") and named.endswith("19.txt and 5 more")
