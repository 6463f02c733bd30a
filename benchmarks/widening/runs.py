"""Narrow runs, widened runs and wide runs from random weights, each kept as it ends and resumed if it was killed."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.widening.curves import Point
from rosphere.encoder import folder
from rosphere.encoder.config import EncoderConfig
from rosphere.encoder.model import MaskedLanguageModel
from rosphere.pretraining import masked
from rosphere.pretraining.batch import Batch, prediction_loss
from rosphere.pretraining.dev_set import DevSet
from rosphere.pretraining.packing import PackedRows
from rosphere.randomness.state import seed_everything
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import checkpoint, loop
from rosphere.training.checkpoint import History
from rosphere.training.loop import Callbacks
from rosphere.training.optimizers import adamw
from rosphere.training.schedule import Schedule
from rosphere.widening import widen
from rosphere.widening.moments import grow_moments, learning_rates

LENGTH, ROWS, RATE = 128, 8, 0.3


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Two sizes, when to widen, how long to train, how fast."""

    narrow: int
    times: int
    layers: int
    switches: list[int]  # narrow steps
    after: int  # steps of the widened model
    scratch: int  # steps of the wide model from random weights
    lower: list[int]  # steps from which such a run also goes on at the widened runs' rate
    rate: float  # of the narrow runs
    scratch_rate: float  # of the wide run from random weights, in units of ``rate``
    wide_rate: float  # of the widened runs, in the same units
    warmup: int
    rewarm: int
    noise: float
    slow_readers: bool
    fresh: bool

    @property
    def wide(self) -> int:
        return self.narrow * self.times


@dataclass(frozen=True, kw_only=True)
class Text:
    """One seed's view of a prepared corpus."""

    rows: PackedRows
    dev: DevSet
    vocabulary: int
    seed: int

    @classmethod
    def read(cls, data: Path, seed: int) -> Text:
        tokenizer = Tokenizer(data / "tokenizer")
        rows, dev = (
            PackedRows(Corpus(data / "corpus" / split), tokenizer, length=LENGTH, seed=seed)
            for split in ("train", "dev")
        )
        measured = DevSet(dev, size=ROWS, limit=64, rate=RATE)
        return cls(rows=rows, dev=measured, vocabulary=len(tokenizer), seed=seed)


def shape(text: Text, width: int, layers: int) -> EncoderConfig:
    return EncoderConfig(
        vocab_size=text.vocabulary,
        embedding_size=72,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def train(
    model: MaskedLanguageModel,
    text: Text,
    place: Path,
    *,
    steps: int,
    rate: float,
    warmup: int,
    first: int,
    optimizer: torch.optim.AdamW | None = None,
) -> History:
    """A run at a constant rate on batches ``first``, first + 1, ...; read from ``place`` if it has been made."""
    done = place / "history.json"
    if done.is_file():
        return list(json.loads(done.read_text()))
    schedule = Schedule(
        steps=steps,
        learning_rate=rate,
        warmup=warmup / steps,
        decay="constant",
        log_every=50,
        evaluate_every=50,
        checkpoint_every=100,
    )
    optimizer = optimizer or adamw(model, schedule)

    def objective(trained: nn.Module, batch: Batch, backward: loop.Backward) -> dict[str, Tensor]:
        value, accuracy = prediction_loss(model, batch)
        backward(value)
        return {"loss": value.detach(), "accuracy": accuracy}

    def progress(step: int, total: int, metrics: Any) -> None:
        if "dev_loss" in metrics:
            print(f"{place.name}: {step}/{total} {metrics['dev_loss']:.3f}", flush=True)

    history = loop.fit(
        model,
        lambda step: masked.training_batch(text.rows, first + step, size=ROWS, rate=RATE),
        objective,
        schedule,
        seed=text.seed,
        folder=place / "state",
        callbacks=Callbacks(progress=progress, evaluate=partial(text.dev, model)),
        optimizer=optimizer,
    )
    folder.save(model, place / "model", tokenizer=place)
    checkpoint.save_moments(place / checkpoint.MOMENTS_FILE, model, optimizer)
    done.write_text(json.dumps(history))
    return history


def flops_of_a_step(config: EncoderConfig) -> float:
    return config.flops_per_token(LENGTH, predicted=RATE) * ROWS * LENGTH


def seconds_of_a_step(text: Text, plan: Plan, rounds: int = 40) -> tuple[float, float]:
    """Of the narrow and the wide model, alternating, medians; on a machine that does nothing else."""
    models = [MaskedLanguageModel(shape(text, width, plan.layers)) for width in (plan.narrow, plan.wide)]
    optimizers = [adamw(model, Schedule(steps=1, learning_rate=plan.rate)) for model in models]
    taken: tuple[list[float], list[float]] = ([], [])
    for step in range(rounds):
        batch = masked.training_batch(text.rows, step, size=ROWS, rate=RATE)
        for model, optimizer, times in zip(models, optimizers, taken, strict=True):
            begin = time.perf_counter()
            prediction_loss(model, batch)[0].backward()
            optimizer.step()
            optimizer.zero_grad()
            times.append(time.perf_counter() - begin)
    middle = [sorted(times[rounds // 4 :])[(rounds - rounds // 4) // 2] for times in taken]
    return middle[0], middle[1]


def points(history: History, before: int, *, wide: bool) -> list[Point]:
    """(narrow steps, wide steps, dev loss), after ``before`` steps of the same width."""
    rows = [(before + int(row["step"]), row["dev_loss"]) for row in history if "dev_loss" in row]
    return [Point(0, steps, loss) if wide else Point(steps, 0, loss) for steps, loss in rows]


def until(text: Text, place: Path, plan: Plan, name: str, stops: list[int], stop: int) -> History:
    """The run from random weights "narrow" or "wide" up to one of its ``stops``; each part goes on where one ended."""
    width, rate = {"narrow": (plan.narrow, plan.rate), "wide": (plan.wide, plan.rate * plan.scratch_rate)}[name]
    marks = [0, *stops]
    begin = marks[marks.index(stop) - 1]
    seed_everything(text.seed)
    model = MaskedLanguageModel(shape(text, width, plan.layers))
    optimizer = None
    if begin:
        model, optimizer = left_off(place / f"{name}-{begin}", plan)
    return train(
        model,
        text,
        place / f"{name}-{stop}",
        steps=stop - begin,
        rate=rate,
        warmup=0 if begin else plan.warmup,
        first=begin,
        optimizer=optimizer,
    )


def left_off(before: Path, plan: Plan) -> tuple[MaskedLanguageModel, torch.optim.AdamW]:
    """The model and the optimizer that a run ended with."""
    model = folder.load(before / "model")
    optimizer = adamw(model, Schedule(steps=1, learning_rate=plan.rate))
    checkpoint.load_moments(before / checkpoint.MOMENTS_FILE, model, optimizer)
    return model, optimizer


def lowered(text: Text, place: Path, plan: Plan, step: int) -> History:
    """The run from random weights from ``step`` on at the rate of the widened runs: what the lower rate alone does."""
    model, optimizer = left_off(place / f"wide-{step}", plan)
    return train(
        model,
        text,
        place / f"lowered-{step}",
        steps=plan.after,
        rate=plan.rate * plan.wide_rate,
        warmup=0,
        first=step,
        optimizer=optimizer,
    )


def widened(text: Text, place: Path, plan: Plan, switch: int) -> History:
    source = place / f"narrow-{switch}"
    small = folder.load(source / "model")
    wide = widen(small, width=plan.wide, noise=plan.noise, seed=text.seed)
    name = f"widened-{switch}" + ("-fresh" if plan.fresh else "")
    optimizer = None
    if not plan.fresh:
        moments, steps = checkpoint.read_moments(source / checkpoint.MOMENTS_FILE)
        place.joinpath(name).mkdir(parents=True, exist_ok=True)
        grown = place / name / "start.safetensors"
        checkpoint.write_moments(grown, grow_moments(moments, small.config, wide.config, seed=text.seed), steps)
        rates = learning_rates(small.config, wide.config) if plan.slow_readers else None
        optimizer = adamw(wide, Schedule(steps=1, learning_rate=plan.rate), rates=rates)
        checkpoint.load_moments(grown, wide, optimizer)
    return train(
        wide,
        text,
        place / name,
        steps=plan.after,
        rate=plan.rate * plan.wide_rate,
        warmup=plan.warmup if plan.fresh else plan.rewarm,
        first=switch,
        optimizer=optimizer,
    )


def one_seed(data: Path, kept: Path, plan: Plan, seed: int) -> dict[str, list[Point]]:
    """The curves of a seed by name: "scratch", "scratch lowered <steps>", "narrow" and "switch <steps>"."""
    text = Text.read(data, seed)
    place = kept / f"{plan.narrow}x{plan.times}-{plan.layers}-seed{seed}"
    curves: dict[str, list[Point]] = {"scratch": [], "narrow": []}
    stops, begin = [*plan.lower, plan.scratch], 0
    for stop in stops:
        curves["scratch"] += points(until(text, place, plan, "wide", stops, stop), begin, wide=True)
        begin = stop
    for step in plan.lower:
        curves[f"scratch lowered {step}"] = points(lowered(text, place, plan, step), step, wide=True)
    begin = 0
    for switch in plan.switches:
        history = until(text, place, plan, "narrow", plan.switches, switch)
        curves["narrow"] += points(history, begin, wide=False)
        grown = widened(text, place, plan, switch)
        curves[f"switch {switch}"] = [Point(switch, steps, loss) for _, steps, loss in points(grown, 0, wide=True)]
        begin = switch
    return curves
