"""rosphere generate: paraphrases."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from rosphere.cli import models, options
from rosphere.cli.texts import given
from rosphere.errors import InputError
from rosphere.similarity.defaults import KEEP, SAMPLES, TOP_P

TEXTS_AT_ONCE = 1024  # results appear after so many

Samples = Annotated[int, typer.Option(min=1, help="drawn per text that is written freely, before ranking")]
TopP = Annotated[float, typer.Option(min=0, max=1, help="mass of the nucleus; 0 is greedy")]
Freely = Annotated[bool, typer.Option("--freely", help="sampled, without the edits learnt of training groups")]
Json = Annotated[bool, typer.Option("--json", help='a line {"text", "synonyms", "cosines"} for each text')]


def generate(
    texts: options.Texts = None,
    file: options.File = None,
    model: options.Model = models.SENTENCES,
    samples: Samples = SAMPLES,
    count: options.Count = KEEP,
    top_p: TopP = TOP_P,
    max_length: options.MaxLength = 40,
    longest: options.Longest = None,
    seed: options.Seed = 0,
    freely: Freely = False,
    as_json: Json = False,
) -> None:
    """Sentences that say the same, best first: by edits learnt of training groups, none where no edit fits."""
    from rosphere.similarity import generation

    sources = given(texts, file)
    if not sources:
        raise InputError("generate: expected texts, as arguments or by --file")
    encoder, tokenizer = models.sentence_encoder(model)
    nothing = 0
    for start in range(0, len(sources), TEXTS_AT_ONCE):
        chosen = sources[start : start + TEXTS_AT_ONCE]
        found = generation.paraphrases_of_each(
            encoder,
            tokenizer,
            chosen,
            samples=samples,
            keep=count,
            top_p=top_p,
            max_length=max_length,
            seed=seed,
            edits=not freely,
        )
        nothing += sum(not ranked for ranked in found)
        for text, ranked in zip(chosen, found, strict=True):
            sys.stdout.writelines(_shown(text, ranked, as_json=as_json, titled=len(sources) > 1))
        sys.stdout.flush()
    if nothing:
        said = "no edit fits" if encoder.edits and not freely else "nothing was written for"
        remedy = "; --freely writes by sampling" if encoder.writes and not freely else ""
        print(f"note: {said} {nothing} of {len(sources)} texts{remedy}", file=sys.stderr)


def _shown(text: str, ranked: Sequence[tuple[str, float]], *, as_json: bool, titled: bool) -> Iterator[str]:
    """Lines of score and sentence, below their text if there are several, or a JSON line that is a row of pairs too."""
    if as_json:
        sentences, cosines = [sentence for sentence, _ in ranked], [round(score, 6) for _, score in ranked]
        row = {"text": text, "synonyms": sentences, "cosines": cosines}
        yield json.dumps(row, ensure_ascii=False) + "\n"
        return
    if titled:
        yield f"{text}\n"
    yield from (f"{score:.4f}\t{sentence}\n" for sentence, score in ranked)
    if titled:
        yield "\n"
