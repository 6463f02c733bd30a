"""What is refused before DVC empties a folder."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.run import check
from rosphere.errors import InputError
from rosphere.similarity import teacher_vectors
from rosphere.text.tokenizer import SPECIALS

ROOT = Path(__file__).resolve().parents[3]
TEXT = "".join(f"今天是第{n}天，天气不错。\n" for n in range(200))


SHAPE = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """params.yaml with parts of its text replaced, as seen from the project's folder."""
    monkeypatch.chdir(ROOT)

    def write(*changes: tuple[str, str]) -> Path:
        text = (ROOT / "params.yaml").read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "params.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_defaults_pass(changed: Callable[..., Path]) -> None:
    check.check(changed())


NO_CONTROLS = [
    (f"{word}:\n  enabled: true", f"{word}:\n  enabled: false") for word in ("pretrain_longer", "pretrain_scratch")
]


def test_a_language_that_the_page_has_not_is_refused(changed: Callable[..., Path]) -> None:
    check.check(changed(("  language: en", "  language: zh")))
    with pytest.raises(InputError, match="report.language: expected one of 'en', 'zh', got 'fr'"):
        check.check(changed(("  language: en", "  language: fr")))


@pytest.mark.parametrize(
    "change", [("  init: null", "  init: someone/small-bert"), ("  size: tiny-wide  #", "  size: null  #")]
)
def test_published_weights_and_unchanged_sizes_have_no_control(
    changed: Callable[..., Path], change: tuple[str, str]
) -> None:
    own = ("vocabulary: {path: null", "vocabulary: {path: someone/small-bert")
    with pytest.raises(InputError, match="pretrain_longer.enabled: there is no control for"):
        check.check(changed(change, own))
    with pytest.raises(InputError, match="pretrain_scratch.enabled: there is no control for"):
        check.check(changed(change, own, NO_CONTROLS[0]))
    check.check(changed(change, own, *NO_CONTROLS))


def test_published_weights_need_their_own_vocabulary(changed: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="pretrain.init: someone/small-bert needs its own vocabulary"):
        check.check(changed(("  init: null", "  init: someone/small-bert"), *NO_CONTROLS))


def test_a_vocabulary_may_be_a_folder_or_a_hub_name(changed: Callable[..., Path], tmp_path: Path) -> None:
    check.check(changed(("vocabulary: {path: null", "vocabulary: {path: someone/small-bert")))
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIALS, "好"]), encoding="utf-8")
    check.check(changed(("vocabulary: {path: null", f"vocabulary: {{path: {tmp_path}")))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (None, "not a tokenizer folder, it has neither tokenizer.json nor vocab.txt"),
        ("\n".join(SPECIALS[:4]).encode(), r"vocab.txt: the special token \[MASK\] is missing"),
        ("\n".join([*SPECIALS, "好", "好"]).encode(), "vocab.txt: '好' stands in it more than once"),
        ("\n".join([*SPECIALS, "好"]).encode("gbk"), "vocab.txt:6: not UTF-8"),
    ],
)
def test_a_vocabulary_is_read(changed: Callable[..., Path], tmp_path: Path, raw: bytes | None, message: str) -> None:
    if raw is not None:
        (tmp_path / "vocab.txt").write_bytes(raw)
    with pytest.raises(InputError, match=message):
        check.check(changed(("vocabulary: {path: null", f"vocabulary: {{path: {tmp_path}")))


@pytest.fixture
def own(changed: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """params.yaml with sources of one's own: a text, twenty pairs, and whatever else is asked for."""
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text(
        "".join(f"{c}的问题怎么办\t怎么办{c}的事情\t1\n" for c in "甲乙丙丁戊己庚辛壬癸"), encoding="utf-8"
    )

    def write(*changes: tuple[str, str], **values: str) -> Path:
        local = {"pairs": str(pairs), **values}
        return changed(
            ("source: sample  #", "source: local  #"),
            ("local: {text: []", f"local: {{text: [{tmp_path}/text.txt]"),
            ("pairs: []", f"pairs: ['{local['pairs']}']"),
            ("graded: {}", f"graded: {local.get('graded', '{}')}"),
            ("positive_from: null", f"positive_from: {local.get('positive_from', 'null')}"),
            ("tasks: [sentiment, entities, faq]", f"tasks: {local.get('names', '[]')}"),
            ("tasks: null", f"tasks: {local.get('tasks', 'null')}"),
            *changes,
        )

    return write


def test_files_that_are_not_read_and_rows_that_are_not_used_are_told(
    own: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(tmp_path / "pairs.tsv", folder / "A.TSV")
    (folder / "b.jsonl").write_text('{"premise": "好", "hypothesis": "坏", "label": "neutral"}\n', encoding="utf-8")
    (folder / "c.xlsx").touch()
    check.check(own(pairs=str(folder)))
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"note: {folder}/c.xlsx: not read, it ends in none of .txt")
    assert told[1:] == ["note: pairs: 1 dropped_neutral of 11 rows"]


def test_fields_of_the_users_own_names(own: Callable[..., Path], tmp_path: Path) -> None:
    place = tmp_path / "named.csv"
    place.write_text("q,r\n" + "".join(f"问题{n},疑问{n}\n" for n in range(10)), encoding="utf-8")
    given = f"{{files: {place}, fields: {{sentence1: q, sentence2: %s}}}}"
    path = own((f"pairs: ['{tmp_path}/pairs.tsv']", f"pairs: [{given % 'r'}]"))
    check.check(path)
    assert str(place) in check.inputs(path)
    path.write_text(path.read_text(encoding="utf-8").replace("sentence2: r", "sentence2: s"), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"named\.csv:1: expected a header line with the column 's', which fields names"
    ):
        check.check(path)
    path.write_text(path.read_text(encoding="utf-8").replace("sentence2: s", "sentence3: r"), encoding="utf-8")
    with pytest.raises(InputError, match=r"local.pairs.*fields: expected some of sentence1, .* got 'sentence3'"):
        check.check(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("甲\t乙\t1", r"prepare.held_out: expected one group .* to train on and two .* to hold out, got 1 and 0 of 1"),
        ("？\t乙\t1", r"prepare.local.pairs: expected groups of two or more different sentences, got none: .*_single"),
        ("甲\t乙\t0", r"expected pairs that are alike, got none of 1 rows \(1 not alike\)"),
        ("甲\t乙\tneutral", r"expected pairs that are alike, got none of 1 rows \(1 dropped_neutral"),
        ("甲\t乙\t4.2", r"expected a label 0 or 1, got the grade 4.2; say .* prepare.local.positive_from"),
        ("sentence1\tsentence2", r"expected pairs that are alike, got none of 0 rows"),
        ("sentence1\tlabel", r"the header \['sentence1', 'label'\] names no two texts"),
    ],
)
def test_pairs_of_which_nothing_is_left_are_refused(
    own: Callable[..., Path], tmp_path: Path, line: str, message: str
) -> None:
    (tmp_path / "few.tsv").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        check.check(own(pairs=str(tmp_path / "few.tsv")))


def test_a_graded_set_must_be_measurable_and_is_not_trained_on(own: Callable[..., Path], tmp_path: Path) -> None:
    place = tmp_path / "sts"
    place.mkdir()
    (place / "STS-B.test.data").write_text("test-1||猫||狗||3\ntest-2||花||草||3\n", encoding="utf-8")
    with pytest.raises(InputError, match="graded set sts: expected two or more different grades in test, got 3 alone"):
        check.check(own(graded=f"{{sts: {place}}}"))
    (place / "STS-B.test.data").unlink()
    rows = [{"sentence1": "猫", "sentence2": f"狗{n}", "score": n} for n in range(2)]
    test = place / "test.jsonl"
    test.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    check.check(own(graded=f"{{sts: {place}}}"))
    copied = shutil.copy(test, tmp_path / "copy.jsonl")
    for file in (test, copied):
        with pytest.raises(InputError, match=f"supervised.files: {file} is {test} of the graded set sts, .*measured"):
            check.check(own(("files: []", f"files: ['{file}']"), graded=f"{{sts: {place}}}"))
    shutil.copy(test, place / "train.jsonl")
    with pytest.raises(InputError, match="train.jsonl: the same file as test.jsonl, of another split"):
        check.check(own(graded=f"{{sts: {place}}}"))


PAIR = {"sentence1": "怎么退掉昨天买的这件衬衫", "sentence2": "衬衫如何退货", "label": 1}
OTHER = {"sentence1": "今天几点开门", "sentence2": "几点才开门呢", "label": 1}


def test_labelled_pairs_are_counted_against_what_is_measured(
    own: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test, file = tmp_path / "sts" / "test.jsonl", tmp_path / "labelled.jsonl"
    test.parent.mkdir()
    measured = [{**PAIR, "label": 5}, {**OTHER, "sentence2": "请问这里怎么走", "label": 0}]
    test.write_text("".join(json.dumps(row) + "\n" for row in measured), encoding="utf-8")
    path = own(("files: []", f"files: ['{file}']"), graded=f"{{sts: {test.parent}}}")
    file.write_text(json.dumps(OTHER), encoding="utf-8")
    check.check(path)
    assert capsys.readouterr().err == ""
    file.write_text(f"{json.dumps(OTHER)}\n{json.dumps(PAIR)}\n", encoding="utf-8")
    check.check(path)
    assert "supervised.files: 1 of 2 pairs are held out (1 graded_sts_test)" in capsys.readouterr().err
    file.write_text(json.dumps(PAIR), encoding="utf-8")
    with pytest.raises(InputError, match=r"all 1 pairs of .*labelled.jsonl are held out \(1 graded_sts_test\)"):
        check.check(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("data/pairs/gold.jsonl", "data/pairs/gold.jsonl is measured, nothing in it may be trained on"),
        ("data/pairs/../pairs/dev.jsonl", "is measured, nothing in it may be trained on"),
        ("data/pairs/graded/labelled_pairs.jsonl", "is measured, nothing in it may be trained on"),
        ("data/pairs/graded/sts.jsonl", "sts has no pairs for training"),
        ("data/pairs/graded/atec.jsonl", "atec is no graded set of prepare"),
        ("data/tasks/afqmc/train.jsonl", "tasks has no 'afqmc', only tnews"),
        ("data/tasks/tnews/dev.jsonl", "is measured; data/tasks/tnews/train.jsonl may be trained on"),
        ("data/tasks/tnews/train.jsonl", "expected rows with sentence1 and sentence2, tnews has none"),
        ("data/supervised.jsonl", "data/supervised.jsonl is what prepare makes of these files"),
        ("data/own.jsonl", "no such file or folder: data/own.jsonl"),
        ("data/sample", "expected a file of labelled pairs, got the folder data/sample"),
    ],
)
def test_what_prepare_makes_is_not_all_for_training(
    own: Callable[..., Path], tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "sts.jsonl").write_text(f"{json.dumps(PAIR)}\n{json.dumps({**OTHER, 'label': 0})}\n", encoding="utf-8")
    (tmp_path / "clue" / "tnews").mkdir(parents=True)
    for split in ("train", "dev"):
        lines = [json.dumps({"sentence": f"新闻{split}{label}", "label": label}) for label in ("100", "101")]
        (tmp_path / "clue" / "tnews" / f"{split}.json").write_text("\n".join(lines), encoding="utf-8")
    path = own(
        ("files: []", f"files: ['{name}']"),
        graded=f"{{sts: {tmp_path}/sts.jsonl}}",
        names="[tnews]",
        tasks=str(tmp_path / "clue"),
    )
    with pytest.raises(InputError, match=f"params.yaml: roformer_sim.supervised.files: .*{re.escape(message)}"):
        check.check(path)


def test_what_no_stage_makes_is_there(changed: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="roformer_sim.teacher: no such file or folder: models/simbret"):
        check.check(changed(("teacher: models/simbert", "teacher: models/simbret")))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "pretrain.init: no such folder, nor a hub name: {folder}"),
        ("", "config.json: not JSON"),
        ("[1]", "config.json: expected a JSON object, got list"),
        ('{"model_type": "gpt2"}', "expected model_type"),
        (json.dumps({"model_type": "bert", **SHAPE, "vocab_size": 5}), "expected weights in model.safetensors or"),
    ],
)
def test_a_model_to_begin_from_is_looked_at(
    changed: Callable[..., Path], tmp_path: Path, config: str | None, message: str
) -> None:
    folder = tmp_path / "model"
    (tmp_path / "vocab.txt").write_text("\n".join(SPECIALS), encoding="utf-8")
    if config is not None:
        folder.mkdir()
        (folder / "config.json").write_text(config, encoding="utf-8")
    path = changed(
        ("  init: null", f"  init: {folder}"),
        ("vocabulary: {path: null", f"vocabulary: {{path: {tmp_path}/vocab.txt"),
        *NO_CONTROLS,
    )
    with pytest.raises(InputError, match=message.format(folder=folder)):
        check.check(path)


def test_a_teacher_is_looked_at(changed: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    for old, new, message in (
        (
            "teacher: models/simbert",
            f"teacher: {tmp_path}/empty",
            "roformer_sim.teacher: .*expected a teacher, a model's folder or",
        ),
        (
            "teacher: models/simbert",
            f"teacher: {tmp_path}/bad.safetensors",
            "expected the tensors 'vectors' and 'keys'",
        ),
        ("teacher: models/roformer_sim", f"teacher: {tmp_path}/empty", "static.teacher: .*expected a teacher"),
        ("init: models/simbert", f"init: {tmp_path}/empty", "roformer_sim.init: .*not a sentence encoder"),
        (
            "teacher: null  # a sentence",
            f"teacher: {tmp_path}/empty  # a sentence",
            "evaluate_paraphrases.teacher: .*expected a teacher, a model's",
        ),
        (
            "hard_negatives: {teacher: null",
            f"hard_negatives: {{teacher: {tmp_path}/empty",
            "simbert.hard_negatives.teacher: .*expected a teacher, a model's",
        ),
        (
            "hard_negatives: {teacher: null",
            "hard_negatives: {teacher: no.safetensors",
            "no.safetensors: expected a file of a teacher's vectors; none is there",
        ),
    ):
        with pytest.raises(InputError, match=message):
            check.check(changed((old, new)))


def test_who_finds_hard_negatives_is_seen_by_dvc(changed: Callable[..., Path], tmp_path: Path) -> None:
    """Of stage 1 a teacher that no stage makes, of stage 2 one that dvc.yaml names as a dep."""
    one, two = (
        f"hard_negatives: {{teacher: null, per_sentence: 1, nearest: 32, below: 0.95}}{end}" for end in ("\n", " ")
    )
    with pytest.raises(
        InputError, match=r"simbert.hard_negatives.teacher: .* that no stage makes, .*; got models/simb"
    ):
        check.check(changed((one, one.replace("null", "models/simbert"))))
    with pytest.raises(
        InputError, match=r"roformer_sim.hard_negatives.teacher: .*roformer_sim.init, models/simbert; got x"
    ):
        check.check(changed((two, two.replace("null", "x"))))
    settings = check.check(changed((two, two.replace("null", "models/simbert"))))["roformer_sim"]
    assert settings.hard_negatives.teacher == "models/simbert"
    teacher_vectors.write(tmp_path / "v.safetensors", ["甲"], np.eye(1))
    sections = check.check(changed((one, one.replace("null", f"{tmp_path}/v.safetensors"))))
    assert list(check.sources(sections)["simbert"]) == [f"{tmp_path}/v.safetensors"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("短\n短句\n", "prepare.local.text: no usable text: {'read': 2, 'dropped_short': 2"),
        ("今天是第一天，天气不错。\n", "prepare.dev_share: 0.02 of 1 documents is none"),
    ],
)
def test_a_small_text_is_looked_at_as_a_whole(
    own: Callable[..., Path], tmp_path: Path, text: str, message: str
) -> None:
    path = own()
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(message)):
        check.check(path)


def test_answers_are_read_where_they_are_mined(own: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text('{"question": "怎么挂失"}\n', encoding="utf-8")
    path = own(("answers: []", f"answers: [{tmp_path}/answers.jsonl]"), ("enabled: false", "enabled: true"))
    with pytest.raises(InputError, match="answers.jsonl:1: expected a list of texts under 'answers', got None"):
        check.check(path)


def test_a_faq_of_ones_own_is_looked_over(changed: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "faq").mkdir()
    rows = [{"group": n, "family": n, "questions": [f"{n}怎么办", f"怎么办{n}"]} for n in "甲乙丙"]
    (tmp_path / "faq" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(InputError, match=r"prepare.held_out: expected .* to hold out, got 2 and 1 of 3 \(0.2\)"):
        check.check(changed(("faq: data/sample/faq", f"faq: {tmp_path}/faq")))


def test_a_task_whose_training_rows_are_all_in_dev_is_refused(own: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "clue" / "tnews"
    folder.mkdir(parents=True)
    for split in ("train", "dev"):
        (folder / f"{split}.json").write_text('{"sentence": "新闻", "label": "100"}\n', encoding="utf-8")
    with pytest.raises(InputError, match="task tnews: expected train rows that are not held out too, all 1 are"):
        check.check(own(names="[tnews]", tasks=str(tmp_path / "clue")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("vocabulary: {path: null", "vocabulary: {path: no/such/file"), "no such file or folder, nor a hub name"),
        (("  size: tiny\n", "  size: huge\n"), "sizes: no size is called 'huge'"),
        (("seed: 8", "seed: 8\nsede: 9"), "sede: no stage reads this section"),
        (("  size: tiny-wide  #", "  size: base  #"), "widen.size: tiny to base: layers 12: LayerNorm"),
        (("tasks: [sentiment", "tasks: [afqmc, sentiment"), "the source sample has no task 'afqmc'; it has sentiment"),
        (("teacher: models/simbert", "teacher: my/typo"), "roformer_sim.teacher: no such file or folder: my/typo"),
        (("teacher: models/roformer_sim", "teacher: my/typo"), "static.teacher: no such file or folder: my/typo"),
        (("  ridge: 0.1 ", "  ridge: 0 "), "static: ridge: expected a number above 0, got 0"),
        (("files: []", "files: [my/typo.jsonl]"), "roformer_sim.supervised.files: no such file or folder: my/typo"),
        (("  batch_size: 8 ", "  batch_size: 0 "), "pretrain: batch_size: expected 1 or more, got 0"),
        (
            ("  mask_rate: 0.3 ", "  mask_rate: 1.5 "),
            "pretrain: mask_rate: expected a share above 0 and at most 1, got 1.5",
        ),
        (("log_every: 25, evaluate_every: 500", "log_every: 0, evaluate_every: 500"), "log_every: expected 1 or more"),
        (("counts: [", "counts: [0, "), "counts: expected 1 or more, got \\[0, "),
        (("sentence_characters: [6, 24]", "sentence_characters: [6]"), "sentence_characters: expected two numbers"),
        (("sentence_characters: [6, 24]", "sentence_characters: [24, 6]"), "expected the shorter first, got .24, 6."),
        (("sentence_characters: [6, 24]", "sentence_characters: [0, 6]"), "expected numbers of 1 or more, got .0, 6."),
        (("sentiment: [5000, 1000]", "sentiment: [5000]"), "prepare.sample.sentiment: expected two numbers"),
        (
            ("faq: data/sample/faq", f"faq: data/{'甲' * 86}"),
            "prepare.sample.faq: expected a name of at most 255 bytes",
        ),
        (("held_out: 0.2 ", "held_out: .nan "), "prepare.held_out: expected a share, 0 to 1, got nan"),
        (("dev_share: 0.02 ", "dev_share: -0.1 "), "prepare.dev_share: expected a share, 0 to 1, got -0.1"),
        (("size: 8000", "size: 5"), "prepare.vocabulary.size: expected 6 or more, got 5"),
        (("window: 1000000 ", f"window: {10**30} "), "mining.window: expected a whole number of at most 64 bits"),
    ],
)
def test_refuses(changed: Callable[..., Path], change: tuple[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check.check(changed(change))


def test_a_control_is_named_with_its_key(changed: Callable[..., Path]) -> None:
    expected = re.escape(
        "there is no control for pretrain.init: someone/small-bert; set pretrain_longer.enabled: false"
    )
    with pytest.raises(InputError, match=expected):
        check.check(
            changed(
                ("  init: null", "  init: someone/small-bert"),
                ("vocabulary: {path: null", "vocabulary: {path: someone/small-bert"),
            )
        )


def test_the_beginning_of_every_local_file_is_read(changed: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text(TEXT, encoding="utf-8")
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"text": "好"}\n{"content": "坏"}\n', encoding="utf-8")
    source = ("source: sample  #", "source: local  #")
    text = ("local: {text: []", f"local: {{text: [{tmp_path}/good.txt, {wrong}]")
    rest = ("tasks: [sentiment, entities, faq]", "tasks: []")
    with pytest.raises(InputError, match="prepare.local.pairs: expected files of similar sentences, .* got neither"):
        check.check(changed(source, text, rest))
    with pytest.raises(InputError, match=re.escape(f"{wrong}:2: expected text under 'text', got nothing")):
        check.check(changed(source, text, rest), everything=False)
    wrong.write_text('{"text": "好"}\n', encoding="utf-8")
    check.check(changed(source, text, rest), everything=False)


def test_a_changed_source_is_told_to_dvc(changed: Callable[..., Path], tmp_path: Path) -> None:
    folder, file = tmp_path / "texts", tmp_path / "labelled.jsonl"
    folder.mkdir()
    (folder / "a.txt").write_text(TEXT, encoding="utf-8")
    groups = "".join(f'{{"text": "{c}好", "synonyms": ["很好{c}"]}}\n' for c in "甲乙丙丁戊己庚辛壬癸")
    (tmp_path / "pairs.jsonl").write_text(groups, encoding="utf-8")
    labelled = '{"sentence1": "好", "sentence2": "不错", "label": 1}\n'
    file.write_text(labelled, encoding="utf-8")
    path = changed(
        ("source: sample  #", "source: local  #"),
        ("local: {text: [], pairs: []", f"local: {{text: [{folder}], pairs: ['{tmp_path}/p*.jsonl']"),
        ("tasks: [sentiment, entities, faq]", "tasks: []"),
        ("files: []", f"files: ['{file}']"),
    )

    def held() -> dict[str, dict[str, str]]:
        return check.sources(check.check(path))

    before = held()
    assert list(before["prepare"]) == [str(folder), f"{tmp_path}/p*.jsonl"] and before["pretrain"] == {}
    assert held() == before
    (folder / "b.txt").write_text("好\n", encoding="utf-8")
    more = held()
    assert [key for key in more["prepare"] if more["prepare"][key] != before["prepare"][key]] == [str(folder)]
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (folder / "linked").symlink_to(outside)
    (outside / "c.txt").write_text("好\n", encoding="utf-8")
    linked = held()
    assert linked["prepare"] != more["prepare"]
    (tmp_path / "p.jsonl").mkdir()  # a folder that the pattern matches
    assert held() == linked
    file.write_text(labelled.replace("不错", "很好"), encoding="utf-8")
    assert held()["roformer_sim"] != more["roformer_sim"]


def test_what_a_stage_makes_is_no_source(
    changed: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a dependency in dvc.yaml; before the first run it is not there, and after it the stage would run again."""
    made = "data/tasks/faq/train.jsonl"
    sections = check.check(changed(("files: []", f"files: [{made}]")))
    sections["roformer_sim"].supervised.files.append("data/own.jsonl")
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    for name in (made, "data/own.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}\n")
    assert list(check.sources(sections)["roformer_sim"]) == ["data/own.jsonl"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "params.yaml").chmod(0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["check"])
    with pytest.raises(SystemExit, match=r"error: params\.yaml: permission denied"):
        check.main()


def workspace(folder: Path) -> None:
    """What the check knows one by."""
    (folder / ".dvc").mkdir()
    shutil.copy(ROOT / "dvc.yaml", folder)


def test_a_folder_instead_of_params_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace(tmp_path)
    (tmp_path / "params.yaml").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["check"])
    with pytest.raises(SystemExit, match=r"error: params\.yaml: is a directory"):
        check.main()


def test_the_default_has_no_sources_of_its_own(changed: Callable[..., Path]) -> None:
    """What is committed is what the check writes: a fresh clone has nothing to commit after its first run."""
    for stage, held in check.sources(check.check(changed())).items():
        assert json.loads((ROOT / check.SOURCES / f"{stage}.json").read_text()) == held == {}


@pytest.fixture
def tasks(changed: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """params.yaml with a folder of tasks that has the given rows of sentiment."""
    (tmp_path / "good.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "sentiment").mkdir()

    def write(folder: str, /, **splits: list[tuple[str, str]]) -> Path:
        for split, rows in splits.items():
            lines = [json.dumps({"sentence": text, "label": label}) for text, label in rows]
            (tmp_path / "sentiment" / f"{split}.json").write_text("\n".join(lines), encoding="utf-8")
        return changed(
            ("source: sample  #", "source: local  #"),
            ("local: {text: []", f"local: {{text: [{tmp_path}/good.txt]"),
            ("tasks: null, answers", f"tasks: {folder}, answers"),
            ("tasks: [sentiment, entities, faq]", "tasks: [sentiment]"),
        )

    return write


def test_tasks_are_looked_over(tasks: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("甲", "1"), ("乙", "0")]
    check.check(tasks(str(tmp_path), train=rows, dev=[("丙", "1")]), everything=False)
    assert capsys.readouterr().err == ""
    with pytest.raises(InputError, match="task sentiment: expected train rows that are not held out too, all 2 are"):
        check.check(tasks(str(tmp_path), train=rows, dev=rows), everything=False)
    (tmp_path / "sentiment" / "test2.csv").touch()
    with pytest.raises(InputError, match="task sentiment: expected two classes or more in training, got 1 alone"):
        check.check(tasks(str(tmp_path), train=rows[:1], dev=rows[1:]), everything=False)
    check.check(tasks(str(tmp_path), train=rows, dev=[("丙", "1")]), everything=False)
    said = capsys.readouterr().err
    assert f"note: {tmp_path}/sentiment: found and not read: test2.csv" in said


def test_tasks_that_no_source_has_are_refused(tasks: Callable[..., Path], changed: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"the source local has no task 'sentiment', prepare\.local\.tasks names none"):
        check.check(tasks("null"), everything=False)
    hub = (("source: sample  #", "source: hub  #"), ("hub: {text: null", "hub: {text: wiki"))
    with pytest.raises(InputError, match=r"the source hub has no task 'sentiment', prepare\.hub\.tasks names none"):
        check.check(changed(*hub))


OVERRIDES = "\n  tasks: {}\n  schedule: {learning_rate: 5e-4"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("{csl: {max_length: 3}}", r"evaluate\.tasks\.csl: max_length: expected 8 tokens or more, got 3"),
        ("{csl: {epochs: 0}}", r"evaluate: tasks\.csl\.epochs: expected 1 or more, got 0"),
        ("{csl: {warmup: 2.0}}", r"evaluate: tasks\.csl\.warmup: expected a share of the steps"),
        ("{csl: {patience: 2}}", r"evaluate: tasks\.csl\.patience: expected select: best"),
        ("{csl: {epoch: 2}}", r"evaluate\.tasks\.csl\.epoch: unknown key; did you mean 'epochs'\?"),
        ("{cls: {epochs: 9}}", r"evaluate\.tasks: 'cls' is no task; there are afqmc"),
    ],
)
def test_settings_of_a_task_are_looked_over(changed: Callable[..., Path], given: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        check.check(changed((OVERRIDES, OVERRIDES.replace("{}", given, 1))))


def test_a_task_may_have_its_own_settings(changed: Callable[..., Path]) -> None:
    given = "{csl: {max_length: 320}, faq: {epochs: 20, learning_rate: 3e-4, select: best}}"
    settings = check.check(changed((OVERRIDES, OVERRIDES.replace("{}", given, 1))))["evaluate"]
    faq, csl = settings.of("faq"), settings.of("csl")
    assert (faq.epochs, faq.schedule.learning_rate, faq.select) == (20, 3e-4, "best")
    assert settings.max_length("csl") == 320 and settings.max_length("faq") is None
    assert (csl.epochs, csl.schedule) == (settings.epochs, settings.schedule)


def test_the_former_key_of_lengths_is_refused_with_its_new_name(changed: Callable[..., Path]) -> None:
    with pytest.raises(
        InputError, match=r"evaluate\.max_length: is called evaluate\.tasks now \({csl: {max_length: 320}}"
    ):
        check.check(changed((OVERRIDES, "\n  max_length: {csl: 320}" + OVERRIDES)))


OWN = "\n  tasks: {}  # of your own"


def test_tasks_of_ones_own_are_looked_over(
    changed: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{text}\t{label}" for text, label in (("天气好", "1"), ("天气坏", "0"), ("不知道", ""), ("还行", "1"))]
    (tmp_path / "weather.tsv").write_text("\n".join(["text\tlabel", *rows]), encoding="utf-8")
    asked = ("tasks: [sentiment, entities, faq]", "tasks: [sentiment, weather]")

    def declared(given: str, *more: tuple[str, str]) -> Path:
        return changed(asked, (OWN, OWN.replace("{}", f"{{weather: {{{given}}}}}")), *more)

    good = f"kind: classification, files: {tmp_path}/weather.tsv, dev_share: 0.3"
    check.check(declared(good))
    said = capsys.readouterr().err
    assert "note: task weather: 1 train_dropped_unlabelled\n" in said and "not listed" not in said
    assert "note: task weather: 1 training rows set apart as dev\n" in said
    unlisted = ("tasks: [sentiment, weather]", "tasks: [sentiment]")
    check.check(declared(good, unlisted))
    assert "declared under prepare.tasks, not listed under tasks: weather\n" in capsys.readouterr().err
    misspelt = ("tasks: [sentiment, weather]", "tasks: [sentiment, wether]")
    with pytest.raises(InputError, match="tasks: unknown task 'wether'; did you mean 'weather'"):
        check.check(declared(good, misspelt))
    for given, complaint in (
        (good.replace("classification", "class"), r"prepare\.tasks\.weather\.kind: expected one of 'classification'"),
        (good.replace(", dev_share: 0.3", ""), r"prepare\.tasks\.weather: expected a dev file, or dev_share"),
        (good.replace("weather.tsv", "w.tsv"), r"prepare\.tasks\.weather\.files: no such file: .*w\.tsv"),
        (good + ", fields: {sentence: review}", r"weather\.tsv:1: expected a header line with the column 'review'"),
        (good + ", fields: {review: text}", r"weather: fields: expected some of sentence, .*, got 'review'"),
    ):
        with pytest.raises(InputError, match=complaint):
            check.check(declared(given))
    with pytest.raises(InputError, match=r"prepare\.tasks: afqmc is a task of CLUE's; expected another name"):
        check.check(changed(asked, (OWN, OWN.replace("{}", f"{{afqmc: {{{good}}}}}"))))


def test_labelled_pairs_may_be_those_of_a_task_of_ones_own(
    changed: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its training rows; what it measures is held out as a set of any other task is."""
    rows = [{**OTHER, "sentence1": f"第{n}路车几点来", "label": n % 2} for n in range(8)]
    for split, own in (("train", rows), ("dev", [PAIR])):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in own)
        (tmp_path / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "labelled.jsonl").write_text(f"{json.dumps(OTHER)}\n{json.dumps(PAIR)}\n", encoding="utf-8")
    files = f"{{train: {tmp_path}/train.jsonl, dev: {tmp_path}/dev.jsonl}}"
    declared = (
        ("tasks: [sentiment, entities, faq]", "tasks: [mine]"),
        (OWN, OWN.replace("{}", f"{{mine: {{kind: classification, files: {files}}}}}")),
    )
    check.check(changed(*declared, ("files: []", f"files: [data/tasks/mine/train.jsonl, {tmp_path}/labelled.jsonl]")))
    assert "supervised.files: 1 of 2 pairs are held out (1 task_mine_dev)" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"data/tasks/mine/dev\.jsonl is measured"):
        check.check(changed(*declared, ("files: []", "files: [data/tasks/mine/dev.jsonl]")))


def test_what_a_vocabulary_does_not_know_is_said(
    changed: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["".join(each) for each in itertools.islice(itertools.permutations("甲乙丙丁"), 8)]
    rows = ["sentence,label", *(f"{text}{'' if n else '庚辛'},{n % 2}" for n, text in enumerate(texts))]
    (tmp_path / "odd.csv").write_text("\n".join(rows), encoding="utf-8")
    lines = ("".join(each) + "戊己庚\n" for each in itertools.islice(itertools.product("甲乙丙丁", repeat=6), 300))
    (tmp_path / "text.txt").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIALS, *"甲乙丙丁"]), encoding="utf-8")
    own = f"{{odd: {{kind: classification, files: {tmp_path}/odd.csv, dev_share: 0.2}}}}"
    check.check(
        changed(
            ("tasks: [sentiment, entities, faq]", "tasks: [odd]"),
            ("source: sample  #", "source: local  #"),
            ("local: {text: []", f"local: {{text: [{tmp_path}/text.txt]"),
            ("vocabulary: {path: null", f"vocabulary: {{path: {tmp_path}/vocab.txt"),
            (OWN, OWN.replace("{}", own)),
        ),
        everything=False,
    )
    said = capsys.readouterr().err
    assert "note: the first 1000 documents: 33.3% of the tokens are [UNK], not in prepare.vocabulary.path\n" in said
    assert "note: task odd, the first 1000 " in said and "33.3%" in said
