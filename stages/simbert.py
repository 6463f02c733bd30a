"""simbert: stage 1 of RoFormer-Sim. UniLM generation, contrastive learning and BART's noise in one pass.

With generation: 0 contrastive learning alone, of an encoder that does not write; with no steps the encoder as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from pipeline.run import runner
from pipeline.run.settings import at_least, require_share
from pipeline.workspace.declaration import Declaration, Metric
from rosphere.encoder import folder
from rosphere.randomness.state import seed_everything
from rosphere.similarity import folder as similarity
from rosphere.similarity import gradient_cache, hard_negatives, losses, meanings, pairs, teachers
from rosphere.similarity.hard_negatives import HardNegatives
from rosphere.similarity.model import Pooling, SimilarityModel
from rosphere.similarity.negatives import Negatives
from rosphere.similarity.pairs import Groups
from rosphere.similarity.training import dev_batch, dev_losses, encode, settle_head, will_write
from rosphere.similarity.unlabelled import Unlabelled, of_corpus
from rosphere.text.tokenizer import Tokenizer
from rosphere.training import loop, processes
from rosphere.training.loop import Callbacks
from rosphere.training.schedule import Schedule

DATA = Path("data")
SENTENCES = DATA / "corpus" / "sentences-train"
NEGATIVES = DATA / "pairs" / "negatives.jsonl"
SOURCE, TARGET = Path("models/pretrain_wide"), Path("models/simbert")
EXACT = 1e-4  # a gradient further from the direct one than rounding explains
WATCHED = ("dev_contrastive", "dev_lm")


@dataclass(frozen=True, kw_only=True)
class Simbert:
    batch_size: int  # pairs; a step has twice as many rows
    chunk: int
    max_length: int
    noise: float
    mask_rate: float
    generation: float  # weight of writing the other sentence of a pair; 0: none is written
    pooling: Pooling
    unlabelled: int  # sentences of the corpus a step; 0: none
    deletion: float
    general_share: float  # of a batch's pairs, where there are general ones
    temperature: float
    dropout: float
    hard_negatives: HardNegatives
    check: bool
    schedule: Schedule

    def __post_init__(self) -> None:
        at_least(self, batch_size=1, chunk=1, max_length=4, unlabelled=0, generation=0)
        require_share(self, "general_share")

    def sources(self) -> list[str | None]:
        """What is read that no stage makes."""
        return [self.hard_negatives.teacher]

    def general(self, seed: int) -> Unlabelled | None:
        """The corpus's part of every batch."""
        return of_corpus(
            SENTENCES,
            batch_size=self.unlabelled,
            deletion=self.deletion,
            max_length=self.max_length,
            most=self.unlabelled * self.schedule.steps,
            seed=seed,
        )


DECLARATION = Declaration(
    title="Sentence similarity",
    settings=Simbert,
    metrics=(
        Metric(key="dev_contrastive", label="contrastive loss of held-out pairs, nats", better="lower", format=".3f"),
        Metric(key="dev_lm", label="loss of writing the paraphrase, nats", better="lower", format=".3f"),
    ),
    others=("before",),
)


def main() -> None:
    with runner.stage("simbert", divides=True) as job:
        settings, seed = job.section(Simbert), job.scalar("seed", int)
        tokenizer = Tokenizer(DATA / "tokenizer")
        train, dev = (
            Groups(DATA / "pairs" / f"{s}.jsonl", tokenizer, max_length=settings.max_length) for s in ("train", "dev")
        )
        seed_everything(seed)
        model = SimilarityModel(folder.load(SOURCE, dropout=settings.dropout, fresh_head=True), settings.pooling)
        tokenizer.require(model.language.config.vocab_size, model=SOURCE)
        general = settings.general(seed)
        negatives = Negatives(NEGATIVES, train.texts, tokenizer, max_length=settings.max_length)
        if settings.hard_negatives.teacher:
            taught = teachers.vectors(
                Path(settings.hard_negatives.teacher),
                train.texts,
                max_length=settings.max_length + 2,
                cache=job.cache,
                progress=job.encoded,
                stopping=job.stopping,
            )
            mined = hard_negatives.mined(train, taught, settings.hard_negatives)
            negatives.add(mined.of, [ids for ids, _ in train.tokens])
            job.report({"hard_negatives": mined.counts})
        loss = partial(losses.info_nce, temperature=settings.temperature)
        batches = partial(
            pairs.training_batch,
            train,
            batch_size=settings.batch_size,
            noise=settings.noise,
            rate=settings.mask_rate,
            seed=seed,
            unlabelled=general,
            negatives=negatives,
            meanings=meanings.of_batches(train, general),
            general_share=settings.general_share,
            targets=settings.generation > 0,
        )
        encoding = partial(encode, model, generation=settings.generation)

        def objective(trained: nn.Module, batch: pairs.Batch, backward: loop.Backward) -> dict[str, Tensor]:
            contrast, lm = gradient_cache.accumulate(
                encoding,
                batch.split(settings.chunk),
                partial(loss, anchor_M=batch.anchor_M, meaning_N=batch.meaning_N),
                backward=backward,
                processes=processes.join(),
            )
            return {"loss": contrast + lm, "contrastive": contrast, **({"lm": lm} if settings.generation else {})}

        if settings.check:
            seed_everything(seed)
            first = batches(0)
            whole = partial(loss, anchor_M=first.anchor_M, meaning_N=first.meaning_N)
            model.train()
            error = gradient_cache.gradient_error(
                encoding, first.split(settings.chunk), whole, list(model.parameters())
            )
            job.report({"gradient_error": error})
            if error > EXACT:
                raise ArithmeticError(f"the accumulated gradient of batch 0 is off by {error:.1e} of its norm")
        will = will_write(model, generation=settings.generation, steps=settings.schedule.steps)
        held_out = dev_batch(dev, seed, targets=settings.generation > 0 and will)
        watched = partial(dev_losses, model, held_out, chunk=settings.chunk, contrast=loss)
        history = loop.fit(
            model,
            batches,
            objective,
            settings.schedule,
            seed=seed,
            folder=job.checkpoint,
            callbacks=Callbacks(progress=job.progress, stopping=job.stopping, evaluate=watched),
            precision=job.precision(model.language.config.hidden_size),
        )
        settle_head(model, generation=settings.generation, steps=settings.schedule.steps)
        similarity.save(model, TARGET, tokenizer=DATA / "tokenizer")
        job.curve(history)
        job.report({name: history[-1][name] for name in WATCHED if name in history[-1]})
        job.report({"before": {name: history[0][name] for name in WATCHED if name in history[0]}})
        job.report({"unlabelled_sentences": len(general.sentences) if general else 0})
        if negatives.of:
            job.report({"sentences_with_negatives": len(negatives.of)})
        job.report({"sentences_cut": {"train": train.cut, "dev": dev.cut}})


if __name__ == "__main__":
    main()
