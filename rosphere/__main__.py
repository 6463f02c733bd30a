"""A small command line over finished models: python -m rosphere similar|generate|widen|dimension --help."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from rosphere.errors import InputError

SENTENCES = Path("models/roformer_sim")


def similar(options: argparse.Namespace) -> None:
    """The texts nearest to a query, or the cosine of two texts."""
    from rosphere import similarity
    from rosphere.text import reading
    from rosphere.text.tokenizer import Tokenizer

    texts = options.texts
    if options.file:
        texts = [*texts, *(line for _, line in reading.lines(options.file) if line.strip())]
    if not texts:
        raise InputError("similar: expected texts to compare with, as arguments or by --file")
    vectors = similarity.encode(similarity.load(options.model), Tokenizer(options.model), [options.query, *texts])
    scores = vectors[1:] @ vectors[0]
    for place in (-scores).argsort(kind="stable")[: options.count]:
        print(f"{scores[place]:.4f}\t{texts[place]}")


def generate(options: argparse.Namespace) -> None:
    """Sentences that say the same, best first."""
    from rosphere import generation, similarity
    from rosphere.text.tokenizer import Tokenizer

    model, tokenizer = similarity.load(options.model), Tokenizer(options.model)
    for text in options.texts:
        found = generation.paraphrases(
            model, tokenizer, text, samples=options.samples, keep=options.count, seed=options.seed
        )
        for sentence, score in found:
            print(f"{score:.4f}\t{sentence}")


def widen(options: argparse.Namespace) -> None:
    """A wider model with the same function, and its certificate."""
    import torch

    from rosphere.encoder import folder
    from rosphere.widening import certificate
    from rosphere.widening import widen as grown

    if options.target.exists():
        raise InputError(f"{options.target}: exists already; choose another folder")
    model = folder.load(options.source)
    wide = grown(
        model,
        width=options.width,
        heads=options.heads,
        head_size=options.head_size,
        feed_forward=options.feed_forward,
        noise=options.noise,
        seed=options.seed,
    )
    folder.save(wide, options.target, tokenizer=options.source)
    ids = torch.randint(0, model.config.vocab_size, (4, 64), generator=torch.Generator().manual_seed(options.seed))
    proof = json.dumps(certificate(model, wide, ids, None), indent=1, sort_keys=True)
    (options.target / "widening.json").write_text(proof + "\n", encoding="utf-8")
    print(proof)


def dimension(options: argparse.Namespace) -> None:
    """The smallest dimension for so many items by n > 8.33 log N, exactly."""
    from rosphere.dimension import minimal_dimension, pair_entropy

    n = minimal_dimension(options.items)
    entropy = 2 * math.log(options.items) + pair_entropy(n)
    print(f"{options.items} items need n = {n} dimensions (8.33 log N = {8.33 * math.log(options.items):.1f}):")
    print(f"there the entropy of the skip-gram pairs, 2 log N + h_n = {entropy:.4f} nats, first falls below 0.")


def parser() -> argparse.ArgumentParser:
    main_ = argparse.ArgumentParser(prog="python -m rosphere", description=__doc__)
    commands = main_.add_subparsers(required=True, metavar="similar|generate|widen|dimension")

    one = commands.add_parser("similar", help=similar.__doc__)
    one.add_argument("query")
    one.add_argument("texts", nargs="*")
    one.add_argument("--file", type=Path, help="further texts, one a line")
    one.add_argument("--model", type=Path, default=SENTENCES)
    one.add_argument("--count", type=int, default=10)
    one.set_defaults(run=similar)

    one = commands.add_parser("generate", help=generate.__doc__)
    one.add_argument("texts", nargs="+")
    one.add_argument("--model", type=Path, default=SENTENCES)
    one.add_argument("--samples", type=int, default=50, help="drawn per text, before ranking")
    one.add_argument("--count", type=int, default=5)
    one.add_argument("--seed", type=int, default=0)
    one.set_defaults(run=generate)

    one = commands.add_parser("widen", help=widen.__doc__)
    one.add_argument("source", type=Path, metavar="SRC", help="a Hugging Face RoFormer folder")
    one.add_argument("target", type=Path, metavar="DST")
    one.add_argument("--width", type=int, required=True)
    one.add_argument("--heads", type=int)
    one.add_argument("--head-size", type=int)
    one.add_argument("--feed-forward", type=int)
    one.add_argument("--noise", type=float, default=0.0)
    one.add_argument("--seed", type=int, default=0)
    one.set_defaults(run=widen)

    one = commands.add_parser("dimension", help=dimension.__doc__)
    one.add_argument("--items", type=int, required=True)
    one.set_defaults(run=dimension)
    return main_


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
