"""Their side: transformers' RoFormerForMaskedLM under its Trainer, padded, every position projected."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.encoder.data import RATE, VOCAB, Texts
from rosphere.encoder import folder as folders
from rosphere.encoder.config import EncoderConfig, to_json
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.encoder.precision import for_training
from rosphere.randomness.state import seed_everything
from rosphere.text import tokenizer

POOL = 50  # steps' worth of texts to choose from


class Training:
    def __init__(self, shape: EncoderConfig, texts: Texts, folder: Path, *, best: bool) -> None:
        from transformers import AutoTokenizer, RoFormerConfig, RoFormerForMaskedLM

        self.texts, self.folder, self.best = texts, folder, best
        tokenizer.save(VOCAB, folder / "tokenizer")
        self.tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
        seed_everything(0)
        self.model = RoFormerForMaskedLM(RoFormerConfig(**to_json(shape)))
        weights = MaskedLanguageModel(shape).state_dict()
        self.model.load_state_dict(folders.to_hugging_face(weights, shape), strict=False)
        self.done = 0

    def tokens_per_second(self, steps: int) -> float:
        from transformers import DataCollatorForLanguageModeling, TrainingArguments

        clock = _clock()
        rows = []
        for ids in self.texts.steps(self.done, POOL):  # it finds texts of like length only among many
            framed = [self.tokenizer.cls_token_id, *ids.tolist(), self.tokenizer.sep_token_id]
            rows.append({"input_ids": framed, "attention_mask": [1] * len(framed)})
        self.done += steps
        arguments = TrainingArguments(
            output_dir=str(self.folder / "trainer"),
            per_device_train_batch_size=self.texts.count,
            max_steps=steps,
            learning_rate=1e-4,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
            bf16=self.best and for_training("auto", self.model.config.hidden_size).precision == "bf16",
            train_sampling_strategy="group_by_length" if self.best else "random",
        )
        collator = DataCollatorForLanguageModeling(self.tokenizer, mlm_probability=RATE)
        trainer = _counting()(
            model=self.model, args=arguments, train_dataset=rows, data_collator=collator, callbacks=[clock]
        )
        trainer.train()
        return float(trainer.tokens / (clock.end - clock.begin))


def _counting() -> Any:
    """A Trainer that knows how many tokens of text it has trained on."""
    from transformers import Trainer

    class Counting(Trainer):  # type: ignore[misc]
        tokens = 0

        def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            self.tokens += int(inputs["attention_mask"].sum())
            return super().training_step(model, inputs, *args, **kwargs)

    return Counting


def _clock() -> Any:
    """From the beginning of the first step to the end of the last: the Trainer's own set-up does not count."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):  # type: ignore[misc]
        begin = end = 0.0

        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            self.begin = self.begin or time.perf_counter()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.end = time.perf_counter()

    return Clock()
