"""A part of the second text that answers the first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, final

import torch
from torch import Tensor, nn

from rosphere.clue import answers, softmax, tfidf, windows
from rosphere.clue.global_pointer import GlobalPointer
from rosphere.clue.kinds.kind import Kind, Pairs, Prediction
from rosphere.clue.sequences import Batch, Example, Tokens, joined
from rosphere.clue.tasks import Row, Task
from rosphere.text.tokenizer import Tokenizer

SIZE = 64  # of the vectors whose products score spans
CLAUSE = re.compile(r"[^，。！？；,!?;\n]+")


@final
class Spans(Kind):
    """[CLS] question [SEP] window [SEP] for every window of the text, and a score for every span of the window.

    [CLS] is the span of no answer: the target where the answer is not whole in the window.
    """

    baseline = "nearest clause by TF-IDF"
    beside = "f1"  # exact match is the score; what is not exact counts in F1

    def examples(self, task: Task, row: Row, tokenizer: Tokenizer, number: int) -> list[Example]:
        question, context = tokenizer.encodings(list(task.texts(row)))
        asked = list(question.ids[: task.max_length // 2])
        size = task.max_length - len(asked) - 3
        answer = windows.tokens_of(windows.first_answer(row.get(task.gold)), context.offsets)
        made = []
        for begin, end in windows.slide(len(context.ids), size, min(task.stride, size)):
            tokens = joined([asked, list(context.ids[begin:end])], tokenizer)
            place = windows.inside(answer, begin, end, shift=len(asked) + 2)
            tokens = Tokens(ids=tokens.ids, parts=tokens.parts, offsets=context.offsets[begin:end])
            made.append(Example(row=number, sequences=(tokens,), target=[(*place, 0)]))
        return made

    def targets(self, task: Task, chosen: Sequence[Example], max_length: int) -> Tensor:
        """[N] flat spans first * L + last."""
        firsts = [example.target[0] for example in chosen if isinstance(example.target, list)]
        return torch.tensor([first * max_length + last for first, last, _ in firsts])

    def segments(self, task: Task) -> int:
        return 0

    def head(self, task: Task, size: int, *, std: float) -> nn.Module:
        return GlobalPointer(size, 1, SIZE, bias=False)

    def scores(self, head: nn.Module, vectors: Tensor, batch: Batch) -> Tensor:
        """[N, L, L]; spans begin and end in the window, or at [CLS]."""
        place = batch.part_BL == 2
        place[:, 0] = True
        scores: Tensor = head(vectors, place)
        return scores[:, 0].float()

    def loss(self, scores: Tensor, batch: Batch) -> Tensor:
        return softmax.loss(scores, batch.target)

    def divergence(self, one: Tensor, other: Tensor) -> Tensor:
        return softmax.divergence(one, other)

    def kept(self, score: Tensor) -> Tensor:
        """Of a window's L x L scores only the best, [score, first, last]: all windows' would fill the memory."""
        allowed = score[1:, 1:]  # [CLS] stands for no answer, and every question has one
        place = int(allowed.argmax())
        first, last = divmod(place, allowed.shape[1])
        return torch.tensor([float(allowed[first, last]), first + 1, last + 1], dtype=torch.float64)

    def predictions(
        self, task: Task, rows: Sequence[Row], made: Sequence[Example], kept: Sequence[Tensor], *, assign: bool
    ) -> list[Prediction]:
        """Of each row's windows the answer with the highest score, as it stands in the text."""
        found: list[Prediction] = [""] * len(rows)
        for number, scored in groupby(zip(made, kept, strict=True), key=lambda pair: pair[0].row):
            example, (_, first, last) = max(scored, key=lambda pair: float(pair[1][0]))
            tokens = example.sequences[0]
            shift = tokens.parts[0] + 2  # [CLS] question [SEP]
            places = [int(place) - shift for place in (first, last)]
            if all(0 <= place < len(tokens.offsets) for place in places):
                begin, end = tokens.offsets[places[0]][0], tokens.offsets[places[1]][1]
                found[number] = task.texts(rows[number])[1][begin:end]
        return found

    def right(self, task: Task, row: Row, guess: Prediction) -> bool:
        return bool(answers.exact(row[task.gold]["text"], str(guess)))

    def measures(self, task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[str, float]:
        """Exact match, F1 and their mean."""
        pairs = [(row[task.gold]["text"], str(guess)) for row, guess in zip(rows, predictions, strict=True)]
        exact = sum(answers.exact(*pair) for pair in pairs) / len(pairs)
        f1 = sum(answers.f1(*pair) for pair in pairs) / len(pairs)
        return {"em": exact, "f1": f1, "mean_of_em_and_f1": (exact + f1) / 2}

    def pairs(self, task: Task, row: Row, guess: Prediction) -> Pairs:
        return []

    def said(self, task: Task, row: Row, guess: Prediction) -> dict[str, Any]:
        return {"gold": row[task.gold]["text"], "prediction": guess}

    def majority(self, task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
        """The commonest answer."""
        answer = Counter(str(text) for row in train for text in row[task.gold]["text"]).most_common(1)[0][0]
        return [answer for _ in dev]

    def simple(self, task: Task, train: Sequence[Row], dev: Sequence[Row]) -> list[Prediction]:
        """The clause of the text with the highest cosine to the question; the first of equals."""
        vectorizer = tfidf.characters([text for row in train for text in task.texts(row)], least=2)
        found: list[Prediction] = []
        for row in dev:
            question, context = task.texts(row)
            clauses = CLAUSE.findall(context) or [context]
            likeness = vectorizer.transform(clauses) @ vectorizer.transform([question]).T
            found.append(clauses[int(likeness.toarray().argmax())])
        return found

    def is_object(self, task: Task) -> bool:
        return True

    def written(self, task: Task, row: Row, guess: Prediction) -> object:
        return guess

    def line(self, task: Task, row: Row) -> Mapping[str, Any]:
        return {}

    def parsed(self, task: Task, value: Any, row: Row | None) -> Prediction | None:
        return value if isinstance(value, str) else None

    def expected(self, task: Task) -> str:
        return "a text"
