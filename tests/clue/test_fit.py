"""What is cut or unknown is counted as the examples are made; entities far behind in a text are learnt and found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rosphere.clue import fit
from rosphere.clue.examples import examples
from rosphere.clue.gold.entities import gold_spans
from rosphere.clue.kinds.entities import Entities
from rosphere.clue.tasks import TASKS
from rosphere.errors import InputError
from rosphere.text import tokenizer
from rosphere.text.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(tokenizer.train(["甲乙丙丁；|abc"], size=100, minimum=1), folder)
    return Tokenizer(folder)


@pytest.mark.parametrize(("length", "cut"), [(123, 0), (124, 0), (125, 1), (500, 1)])
def test_cut_rows_are_those_whose_examples_are_shorter(pieces: Tokenizer, length: int, cut: int) -> None:
    row = {"keyword": ["乙"], "abst": "甲" * length, "label": "1"}
    found = fit.measured(TASKS["csl"], [row, {**row, "abst": "甲"}], pieces)
    assert (found["cut"], found["rows"], found["cut_share"]) == (cut, 2, cut / 2)
    made = examples(TASKS["csl"], [row], pieces)[0]
    assert made.length == min(128, length + 4) and (length + 4 > 128) is bool(cut)
    assert bool(fit.warnings(TASKS["csl"], "dev", found)) is bool(cut)
    assert fit.measured(fit.with_length(TASKS["csl"], 512), [row], pieces)["cut"] == 0


@pytest.mark.parametrize("length", [501, 502, 503, 504])
def test_cut_choices(pieces: Tokenizer, length: int) -> None:
    row = {"context": ["甲" * length], "question": "乙", "choice": ["丙", "丁丁丁"], "answer": 0}
    (made,) = examples(replace(TASKS["c3"], max_length=9999), [row], pieces)
    assert fit.measured(TASKS["c3"], [row], pieces)["cut"] == int(made.length > 512)
    blank = {"content": "甲" * (length - 450) + "#idiom#", "candidates": ["丙", "丁丁"], "answer": 0}
    (made,) = examples(replace(TASKS["chid"], max_length=9999), [blank], pieces)
    assert fit.measured(TASKS["chid"], [blank], pieces)["cut"] == int(made.length > 64)


def test_unknown_empty_and_off_tokens(pieces: Tokenizer) -> None:
    found = fit.measured(TASKS["tnews"], [{"sentence": "甲龘"}, {"sentence": " "}], pieces)
    assert (found["tokens"], found["unknown_share"], found["empty"]) == (2, 0.5, 1)
    assert fit.warnings(TASKS["tnews"], "dev", found) == [
        "tnews: 50.0% of the tokens of the dev rows are not in the vocabulary",
        "tnews: 1 dev rows have no token in their texts, or in a choice",
    ]
    row = {"text": "甲zz乙", "label": {"name": {"z": [[1, 1]], "乙": [[3, 3]]}}}
    found = fit.measured(TASKS["cluener"], [row], pieces)
    assert (found["spans"], found["spans_off_tokens"], "cut" in found) == (2, 1, False)


def far(length: int) -> dict[str, Any]:
    text = "甲" * length + "乙丙" + "甲" * length
    return {"text": text, "label": {"name": {"乙丙": [[length, length + 1]]}}}


@pytest.mark.parametrize("length", [0, 5, 100, 126, 127, 128, 250, 300, 900])
def test_an_entity_is_learnt_and_found_wherever_it_stands(pieces: Tokenizer, length: int) -> None:
    """What the windows' targets say, read as predictions, is gold, once."""
    task, row = TASKS["cluener"], far(length)
    made = examples(task, [row, row], pieces)
    assert any(example.target for example in made) and max(example.length for example in made) <= 256
    kept = [
        torch.tensor([(label, a, b) for a, b, label in each.target], dtype=torch.long).reshape(-1, 3) for each in made
    ]  # type: ignore[union-attr]
    found = Entities().predictions(task, [row, row], made, kept, assign=True)
    assert found == [gold_spans(row)] * 2


def test_a_short_text_is_one_window(pieces: Tokenizer) -> None:
    assert len(examples(TASKS["cluener"], [far(100)], pieces)) == 1
    assert len(examples(TASKS["cluener"], [{"text": ""}], pieces)) == 1


def test_fields_may_have_any_names(pieces: Tokenizer) -> None:
    task = replace(TASKS["cluener"], texts=lambda row: (row["body"],), fields=("body",), gold="found", clue=False)
    row = {"body": "甲乙", "found": {"name": {"乙": [[1, 1]]}}}
    assert examples(task, [row], pieces)[0].target == [(2, 2, task.labels.index("name"))]
    assert Entities().simple(task, [row], [row]) == [[("name", 1, 1)]]
    assert Entities().measures(task, [row], [[("name", 1, 1)]]) == {"f1": 1.0, "mention_f1": 1.0}


def test_a_length_that_cannot_work_is_refused() -> None:
    with pytest.raises(InputError, match=r"task csl: max_length: expected 8 tokens or more, got 3"):
        fit.with_length(TASKS["csl"], 3)
