"""The task model: what a pair is judged from, and that fine-tuning learns what can be learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rosphere.clue import finetuning, scoring
from rosphere.clue.examples import Example, collate
from rosphere.clue.finetuning import Recipe, TaskModel, order
from rosphere.clue.tasks import TASKS
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import Encoder
from rosphere.fitting import Callbacks, Schedule, seed_everything
from rosphere.text import tokenizer as tokenizers

FAQ = TASKS["faq"]


def encoder(vocabulary: int) -> Encoder:
    seed_everything(0)
    return Encoder(
        EncoderConfig(
            vocab_size=vocabulary,
            embedding_size=8,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
        )
    )


def test_pair_features_are_the_means_of_the_segments() -> None:
    hidden = torch.randn(1, 7, 4)
    pair = Example(ids=[2, 10, 11, 3, 12, 3], target=0, offsets=[], parts=(2, 1))
    longer = Example(ids=[2] * 7, target=0, offsets=[], parts=())
    batch = collate([pair, longer], FAQ, pad=0)
    assert batch.part_BL[0].tolist() == [0, 1, 1, 0, 2, 0, 0]
    found = TaskModel._paired(hidden, batch.part_BL[:1])[0]
    u, v = hidden[0, 1:3].mean(0), hidden[0, 4]
    torch.testing.assert_close(found, torch.cat((hidden[0, 0], u, v, (u - v).abs(), u * v)))


def test_single_texts_have_no_pair_features() -> None:
    head = TaskModel(encoder(20), TASKS["sentiment"], pair_features=True).head
    assert isinstance(head, torch.nn.Linear)
    assert head.in_features == 16


def test_an_epoch_visits_every_row_once() -> None:
    lengths = [3, 9, 4, 4, 7, 1, 8]
    for epoch in range(3):
        assert sorted(number for batch in order(lengths, epoch, 2, seed=1) for number in batch) == list(range(7))
    assert order(lengths, 0, 2, seed=1) != order(lengths, 1, 2, seed=1)


@pytest.mark.parametrize("name", ["sentiment", "entities"])
def test_what_can_be_learned_is_learned(name: str, tmp_path: Path) -> None:
    task = replace(TASKS[name], max_length=16)
    texts = [f"{one}{other}" for one in "甲乙丙丁" for other in "子丑寅卯"]
    if name == "sentiment":
        rows = [{"sentence": text, "label": "1" if "甲" in text or "乙" in text else "0"} for text in texts]
    else:
        rows = [{"text": t, "label": {"name": {t[0]: [[0, 0]]}} if t[0] in "甲乙" else {}} for t in texts]
    tokenizers.save(tokenizers.train(texts, size=100, minimum=1), tmp_path)
    pieces = tokenizers.Tokenizer(tmp_path)
    model = TaskModel(encoder(len(pieces)), task)
    recipe = Recipe(epochs=30, rows=8, schedule=lambda steps: Schedule(steps=steps, learning_rate=1e-2))
    finetuning.finetune(model, rows, pieces, recipe, seed=0, folder=None, callbacks=Callbacks())
    assert scoring.score(task, rows, finetuning.predict(model, rows, pieces)) == 1.0
