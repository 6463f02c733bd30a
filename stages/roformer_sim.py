"""roformer_sim: stage 2 of RoFormer-Sim. Similarities distilled from a teacher that sees clean text, and generation.

With supervised.files a copy then learns labelled pairs, and what it has learnt is distilled back (RoFormer-Sim-FT).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.run import runner
from pipeline.run.settings import at_least, require_share
from pipeline.workspace.declaration import Declaration, Metric
from rosphere.errors import InputError
from rosphere.randomness.state import seed_everything
from rosphere.similarity import (
    averaging,
    distillation,
    encoding,
    gradient_cache,
    hard_negatives,
    labelled_pairs,
    lexical,
    lexical_training,
    meanings,
    pairs,
    pooler_fit,
    rewriting,
    supervised,
    teachers,
    whitening,
)
from rosphere.similarity import folder as similarity
from rosphere.similarity.averaging import WeightAveraging
from rosphere.similarity.counting import Counting, counted
from rosphere.similarity.hard_negatives import HardNegatives
from rosphere.similarity.lexical import Lexical
from rosphere.similarity.lexical_training import LexicalHalf
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.negatives import Negatives
from rosphere.similarity.objective import Objective
from rosphere.similarity.pairs import Groups
from rosphere.similarity.teacher_vectors import StoredVectors, in_memory
from rosphere.similarity.training import dev_batch, dev_losses, encode, settle_head, will_write
from rosphere.similarity.unlabelled import Unlabelled, of_corpus
from rosphere.similarity.vectors import Vectors
from rosphere.text.corpus import Corpus, of_sentences
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import loop, processes
from rosphere.training.checkpoint import History
from rosphere.training.loop import Callbacks
from rosphere.training.schedule import Schedule, require_steps

DATA = Path("data")
SENTENCES = DATA / "corpus" / "sentences-train"
NEGATIVES = DATA / "pairs" / "negatives.jsonl"
TARGET = Path("models/roformer_sim")
LABELLED = DATA / "supervised.jsonl"  # the pairs of supervised.files that are not held out
WATCHED = ("dev_contrastive", "dev_lm")
FITTED = 4096  # sentences, at least, that axes and pooler are worked out on
SHOWN = 20000  # that rarity and whitening of the lexical half are worked out on, at most


@dataclass(frozen=True, kw_only=True)
class Supervised:
    files: list[str]
    batch_size: int
    schedule: Schedule

    def __post_init__(self) -> None:
        require_steps(self.schedule)


@dataclass(frozen=True, kw_only=True)
class RoformerSim(Objective):
    teacher: str
    init: str
    unlabelled: int
    taught: int  # sentences of the corpus that the teacher encodes, at most
    deletion: float
    hard_negatives: HardNegatives
    batch_size: int
    chunk: int
    max_length: int
    noise: float
    mask_rate: float
    generation: float  # weight of writing the other sentence of a pair; 0: none is written
    dropout: float
    partial_whitening: float
    lexical: LexicalHalf
    general_share: float  # of a batch's pairs, where there are general ones
    weight_averaging: WeightAveraging
    ngrams: Counting
    schedule: Schedule
    supervised: Supervised

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, batch_size=1, chunk=1, max_length=4, generation=0)
        if self.supervised.files and not self.schedule.steps:
            raise InputError(
                "supervised.files: what is learnt of them is distilled back in schedule.steps; got 0 steps"
            )
        at_least(self, unlabelled=0, taught=1)
        require_share(self, "general_share")

    def general(self, seed: int) -> Unlabelled | None:
        """The corpus's part of every batch."""
        return of_corpus(
            SENTENCES,
            batch_size=self.unlabelled,
            deletion=self.deletion,
            max_length=self.max_length,
            most=min(self.taught, self.unlabelled * self.schedule.steps),
            seed=seed,
        )

    def sources(self) -> list[str]:
        """What is read that no stage makes."""
        return self.supervised.files  # by `prepare`, which writes LABELLED


DECLARATION = Declaration(
    title="Sentence similarity",
    settings=RoformerSim,
    metrics=(
        Metric(key="dev_contrastive", label="contrastive loss of held-out pairs, nats", better="lower", format=".3f"),
        Metric(key="dev_lm", label="loss of writing the paraphrase, nats", better="lower", format=".3f"),
    ),
    others=("before",),
)


class Training:
    """What all phases of the stage share: the groups, the measure, the settings."""

    def __init__(self, job: runner.Job, settings: RoformerSim, tokenizer: Tokenizer) -> None:
        self.job, self.settings, self.tokenizer = job, settings, tokenizer
        self.seed = job.scalar("seed", int)
        self.train, self.dev = (
            Groups(DATA / "pairs" / f"{s}.jsonl", tokenizer, max_length=settings.max_length) for s in ("train", "dev")
        )
        self.unlabelled = settings.general(self.seed)
        self.negatives = Negatives(NEGATIVES, self.train.texts, tokenizer, max_length=settings.max_length)
        found = self.unlabelled.sentences if self.unlabelled else []
        self.meanings = meanings.of_batches(self.train, self.unlabelled)
        self.texts = [*self.train.texts, *(tokenizer.decode(list(ids)) for ids in found)]  # as a batch numbers them

    @cached_property
    def shown(self) -> NDArray[np.int64]:
        """The sentences that a goal is asked for, by number: those that training will show, or, where that saves less
        than half of what a teacher reads, all of them, which other stages have of it too."""
        settings, every = self.settings, np.arange(len(self.texts))
        corpus = every[len(self.train.texts) :]
        if settings.hard_negatives.teacher == settings.teacher:
            return every
        drawn = pairs.sentences(
            self.train,
            settings.schedule.steps,
            batch_size=settings.batch_size,
            general_share=settings.general_share,
            seed=self.seed,
            most=len(every) // 2 - len(corpus),
        )
        if drawn is None:
            return every
        numbers = np.union1d(drawn, corpus)
        if settings.distillation == "vectors" and len(numbers) < FITTED:
            numbers = np.union1d(numbers, np.linspace(0, len(every) - 1, min(FITTED, len(every))).astype(np.int64))
        return numbers

    def goal(self, encode: Callable[[list[str]], StoredVectors]) -> StoredVectors:
        """What ``encode`` says of the sentences shown, by their numbers."""
        return encode([self.texts[number] for number in self.shown]).spread(self.shown, len(self.texts))

    @property
    def max_length(self) -> int:
        """Tokens of a sentence, [CLS] and [SEP] included."""
        return self.settings.max_length + 2

    def taught(self, teacher: str, texts: Sequence[str]) -> StoredVectors:
        return teachers.vectors(
            Path(teacher),
            texts,
            max_length=self.max_length,
            cache=self.job.cache,
            progress=self.job.encoded,
            stopping=self.job.stopping,
        )

    def mine(self) -> None:
        """Hard negatives by a teacher, where one is named, beside those that people named."""
        settings = self.settings.hard_negatives
        if not settings.teacher:
            return
        mined = hard_negatives.mined(self.train, self.taught(settings.teacher, self.train.texts), settings)
        self.negatives.add(mined.of, [ids for ids, _ in self.train.tokens])
        self.job.report({"hard_negatives": mined.counts})

    def encode(self, model: SimilarityModel, texts: Sequence[str]) -> Vectors:
        return encoding.encode(model, self.tokenizer, texts, max_length=self.max_length)

    def distil(self, model: SimilarityModel, goal: StoredVectors, phase: str) -> History:
        """Trains ``model`` in place to see what ``goal``, the vectors of the sentences shown, holds for alike."""
        settings = self.settings
        width = model.language.config.hidden_size
        vectors = settings.distillation == "vectors" and settings.schedule.steps
        reduced = distillation.axes(goal.selected(self.shown), width) if vectors else None
        if reduced:
            self.fit_pooler(model, lambda numbers: reduced(torch.from_numpy(goal[numbers])).numpy(), phase)

        def taught(batch: pairs.Batch) -> Tensor:
            found = torch.from_numpy(goal[batch.sentence_N.cpu().numpy()]).to(batch.ids_NL.device)
            return found if reduced is None else reduced(found)

        def objective(trained: nn.Module, batch: pairs.Batch, backward: loop.Backward) -> dict[str, Tensor]:
            wanted, group = taught(batch), processes.join()
            parts: dict[str, Tensor] = {}

            def loss(vectors_ND: Tensor) -> Tensor:
                parts.update(settings.losses(vectors_ND, wanted, batch.anchor_M, batch.meaning_N))
                return torch.stack(list(parts.values())).sum()

            whole, lm = gradient_cache.accumulate(
                partial(encode, model, generation=settings.generation),
                batch.split(settings.chunk),
                loss,
                backward=backward,
                processes=group,
            )
            found = {"loss": whole + lm, **{n: part.detach() / group.count for n, part in parts.items()}}
            return found | {"lm": lm} if settings.generation else found

        return loop.fit(
            model,
            partial(
                pairs.training_batch,
                self.train,
                batch_size=settings.batch_size,
                noise=settings.noise,
                rate=settings.mask_rate,
                seed=self.seed,
                unlabelled=self.unlabelled,
                negatives=self.negatives if settings.contrastive else None,
                meanings=self.meanings,
                general_share=settings.general_share,
                targets=settings.generation > 0,
            ),
            objective,
            settings.schedule,
            seed=self.seed,
            folder=self.job.checkpoint / phase,
            callbacks=self._callbacks(model, phase),
            precision=self.job.precision(model.language.config.hidden_size),
        )

    def fit_pooler(self, model: SimilarityModel, goal: Callable[[NDArray[np.int64]], Vectors], phase: str) -> None:
        """Before the phase, also before one that goes on: the student's space turned into that of the vectors."""
        model.to(processes.device())  # where training will have it: twenty thousand sentences are encoded
        texts = [self.texts[number] for number in self.shown]
        found = pooler_fit.fit(
            model, self.tokenizer, texts, lambda numbers: goal(self.shown[numbers]), max_length=self.max_length
        )
        self.job.report({f"pooler_fit_{phase}" if phase else "pooler_fit": found})

    def lexical(self, width: int) -> Lexical | None:
        """The second half of the vectors, where it has a share."""
        settings = self.settings.lexical
        if not settings.share:
            return None
        corpus, t = of_sentences(SENTENCES), self.tokenizer
        shown = [corpus.document(number)[0].astype(np.int64) for number in range(min(len(corpus), SHOWN))]
        half = lexical.fitted(
            shown,
            vocabulary=len(t),
            width=width,
            share=settings.share,
            specials=(t.pad, t.cls, t.sep, t.mask, t.unk),
            seed=self.seed,
        )
        learnt = lexical_training.learn(
            half,
            self.train,
            settings,
            general_share=self.settings.general_share,
            meaning_N=self.meanings,
            seed=self.seed,
            folder=self.job.checkpoint / "lexical",
            callbacks=Callbacks(stopping=self.job.stopping),
        )
        if learnt:
            lexical.rescale(half, shown)
            self.job.report({"lexical_loss": learnt[-1]["loss"]})
        return half

    def supervise(self, model: SimilarityModel) -> tuple[SimilarityModel, History]:
        """A copy of ``model`` that has learnt to classify the pairs of supervised.files."""
        chosen = self.settings.supervised
        labelled = supervised.Pairs(labelled_pairs.read(LABELLED), self.tokenizer, max_length=self.settings.max_length)
        seed_everything(self.seed)
        classifier = supervised.PairClassifier(copy.deepcopy(model))

        def objective(trained: nn.Module, batch: supervised.Batch, backward: loop.Backward) -> dict[str, Tensor]:
            loss, accuracy = classifier.loss(batch)
            backward(loss)
            return {"loss": loss.detach(), "accuracy": accuracy.detach()}

        history = loop.fit(
            classifier,
            partial(labelled.training_batch, batch_size=chosen.batch_size, seed=self.seed),
            objective,
            chosen.schedule,
            seed=self.seed,
            folder=self.job.checkpoint / "supervised",
            callbacks=self._callbacks(classifier.model, "supervised"),
            precision=self.job.precision(model.language.config.hidden_size),
        )
        return classifier.model, history

    def _callbacks(self, model: SimilarityModel, phase: str) -> Callbacks:
        settings = self.settings
        lengths = {"": settings.schedule.steps}
        if settings.supervised.files:
            lengths |= {"supervised": settings.supervised.schedule.steps, "distilled_back": settings.schedule.steps}
        before = sum(list(lengths.values())[: list(lengths).index(phase)])

        def progress(step: int, total: int, metrics: Mapping[str, float]) -> None:
            """All phases on one scale."""
            named = {f"{phase}/{name}" if phase else name: value for name, value in metrics.items()}
            self.job.progress(before + step, sum(lengths.values()), named)

        return Callbacks(
            progress=progress,
            stopping=self.job.stopping,
            evaluate=partial(self.watched, model),
        )

    def watch(self, model: SimilarityModel) -> None:
        """Held-out pairs from now on: with targets where ``model`` has learnt to write them, or will."""
        settings = self.settings
        will = will_write(model, generation=settings.generation, steps=settings.schedule.steps)
        self.held_out = dev_batch(self.dev, self.seed, targets=settings.generation > 0 and will)

    def watched(self, model: SimilarityModel) -> dict[str, float]:
        return dev_losses(model, self.held_out, chunk=self.settings.chunk, contrast=self.settings.contrast)


def averaged_with(settings: WeightAveraging, trained: SimilarityModel, tokenizer: Tokenizer) -> SimilarityModel | None:
    """The encoder whose weights the trained ones will be averaged with, looked over before any training."""
    if settings.alpha == 1:
        return None
    tokenizer.require_same(Path(settings.start))
    return averaging.load_start(Path(settings.start), trained)


def main() -> None:
    with runner.stage("roformer_sim", divides=True) as job:
        settings = job.section(RoformerSim)
        tokenizer = Tokenizer(DATA / "tokenizer")
        training = Training(job, settings, tokenizer)
        goal = training.goal(partial(training.taught, settings.teacher))
        training.mine()
        seed_everything(training.seed)  # a vocabulary head may begin here
        model = similarity.load(Path(settings.init), dropout=settings.dropout)
        training.watch(model)
        tokenizer.require(model.language.config.vocab_size, model=Path(settings.init))
        start = averaged_with(settings.weight_averaging, model, tokenizer)
        history = training.distil(model, goal, "")
        if settings.supervised.files:
            before = training.watched(model)
            classifier, learnt = training.supervise(model)
            labelled = training.watched(classifier)
            seen = training.goal(lambda texts: in_memory(training.encode(classifier, texts)))
            history = training.distil(model, seen, "distilled_back")
            found = {"before": before, "classifier": labelled, "accuracy": learnt[-1]["accuracy"]}
            job.report({"supervised": found})
        if start:
            averaging.average(model, start, settings.weight_averaging.alpha)
            job.report({"averaged": training.watched(model)})
        settle_head(model, generation=settings.generation, steps=settings.schedule.steps)
        similarity.save_pooler(model, TARGET)
        whitening.whiten_partially(
            model, tokenizer, training.texts, settings.partial_whitening, max_length=training.max_length
        )
        model.lexical = training.lexical(model.language.config.hidden_size)
        model.edits = rewriting.learnt(training.train, Corpus(DATA / "corpus" / "train"), tokenizer)
        model.counts = counted(settings.ngrams, Corpus(DATA / "corpus" / "train"), training.train, tokenizer)
        similarity.save(model, TARGET, tokenizer=DATA / "tokenizer")
        job.curve(history)
        job.report({name: history[-1][name] for name in WATCHED if name in history[-1]})


if __name__ == "__main__":
    main()
