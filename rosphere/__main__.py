"""A small command line over finished models: python -m rosphere similar|generate|interpolate|widen|dimension --help."""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rosphere.errors import UNUSABLE, InputError, told

if TYPE_CHECKING:  # torch is not needed for --help
    from typing import Never

    from torch import Tensor
    from tqdm import tqdm

    from rosphere.encoder.config import EncoderConfig
    from rosphere.similarity.model import SimilarityModel
    from rosphere.text.tokenizer import Tokenizer

SENTENCES = Path("models/roformer_sim")
LATENTS = Path("models/vmf_vae")
STANDARD_INPUT = Path("-")
TEXTS_AT_ONCE = 1024  # results appear after so many


def there(folder: Path) -> Path:
    """A model's folder, known to exist."""
    if not folder.is_dir():
        beside = ", ".join(sorted(path.parent.name for path in folder.parent.glob("*/tokenizer.json")))
        raise InputError(f"{folder}: no such folder; models there: {beside or 'none yet, the pipeline makes them'}")
    return folder


def opened(folder: Path) -> tuple[SimilarityModel, Tokenizer]:
    """A sentence encoder, on the GPU if there is one, and its tokenizer."""
    from rosphere.similarity import model as similarity
    from rosphere.text.tokenizer import Tokenizer
    from rosphere.training import processes

    model, tokenizer = similarity.load(there(folder)), Tokenizer(folder)
    tokenizer.require(model.language.config.vocab_size, model=folder)
    return model.to(processes.device()), tokenizer


def similar(options: argparse.Namespace) -> None:
    """The texts nearest to a query, or the cosine of two texts."""
    if options.among:
        if options.texts or options.file:
            raise InputError("similar: expected texts, or --among FILE, got both")
        return among(options)
    from rosphere.similarity import encoding

    texts = [*options.texts, *(given(options.file) if options.file else ())]
    if not texts:
        raise InputError("similar: expected texts to compare with, as arguments or by --file")
    vectors = encoding.encode(*opened(options.model), [options.query, *texts], precision=options.precision)
    scores = vectors[1:] @ vectors[0]
    for place in (-scores).argsort(kind="stable")[: options.count]:
        print(f"{scores[place]:.4f}\t{texts[place]}")


def among(options: argparse.Namespace) -> None:
    """The lines of a file that are nearest to a query; their vectors are kept in FILE.index."""
    from tqdm import tqdm

    from rosphere.similarity import encoding, index

    model, tokenizer = opened(options.model)
    encode = partial(encoding.encode, model, tokenizer, precision=options.precision)
    with tqdm(unit=" lines", desc="indexing", file=sys.stderr, delay=1, disable=None) as bar:
        found = index.opened(
            options.among,
            options.model,
            encode,
            width=model.language.config.hidden_size,
            precision=options.precision,
            anew=options.reindex,
            progress=lambda done, total: _advance(bar, done, total),
        )
    query = encode([options.query])[0]
    for number, score in found.nearest(query, options.count):
        print(f"{score:.4f}\t{found.line(number)}")


def _advance(bar: tqdm[Never], done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)


def generate(options: argparse.Namespace) -> None:
    """Sentences that say the same, best first."""
    from rosphere.similarity import generation

    texts = [*options.texts, *(given(options.file) if options.file else ())]
    if not texts:
        raise InputError("generate: expected texts, as arguments or by --file")
    model, tokenizer = opened(options.model)
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        chosen = texts[start : start + TEXTS_AT_ONCE]
        found = generation.paraphrases_of_each(
            model,
            tokenizer,
            chosen,
            samples=options.samples,
            keep=options.count,
            top_p=options.top_p,
            longest=options.longest,
            seed=options.seed,
        )
        for text, ranked in zip(chosen, found, strict=True):
            sys.stdout.writelines(_shown(text, ranked, as_json=options.json, titled=len(texts) > 1))
        sys.stdout.flush()


def given(file: Path) -> Iterator[str]:
    """The texts of a file, one a line, or of standard input for "-"; blank lines are skipped."""
    from rosphere.text import reading

    empty = True
    for _, line in standard_input() if file == STANDARD_INPUT else reading.lines(file):
        if line.strip():
            empty = False
            yield line
    if empty:
        raise InputError(f"{file}: expected a text a line, got none")


def standard_input() -> Iterator[tuple[int, str]]:
    if sys.stdin is None:
        raise InputError("-: standard input is closed")
    for number, raw in enumerate(sys.stdin.buffer, 1):
        try:
            yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(f"-:{number}: not UTF-8 (byte {error.start} of the line)") from error


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


def interpolate(options: argparse.Namespace) -> None:
    """Sentences on the way from one to another, decoded from points between theirs."""
    from rosphere.text.tokenizer import Tokenizer
    from rosphere.training import processes
    from rosphere.vae import folder
    from rosphere.vae.decoding import interpolate

    model, tokenizer = folder.load(there(options.model)), Tokenizer(options.model)
    tokenizer.require(model.encoder.config.vocab_size, model=options.model)
    model.to(processes.device())
    first, last = options.first, options.last
    found = interpolate(model, tokenizer, first, last, steps=options.steps, longest=options.longest)
    for share, sentence in found:
        print(f"{share:.3f}\t{sentence}")


def widen(options: argparse.Namespace) -> None:
    """A wider or deeper model with the same function, and its certificate."""
    from rosphere.encoder import folder, masks
    from rosphere.widening import certificate
    from rosphere.widening import widen as grown

    if options.target.exists():
        raise InputError(f"{options.target}: exists already; choose another folder")
    model = folder.load(there(options.source), fresh_head=True)  # a bare encoder may be widened too
    ids, keep = _tokens(options, model.config)
    wide = grown(
        model,
        width=options.width,
        heads=options.heads,
        head_size=options.head_size,
        feed_forward=options.feed_forward,
        layers=options.layers,
        noise=options.noise,
        seed=options.seed,
        allow_inexact=options.allow_inexact,
    )
    folder.save(wide, options.target, tokenizer=options.source)
    found = certificate(model, wide, ids, masks.padded(keep), dropped=folder.not_taken(options.source))
    proof = json.dumps(found, indent=1, sort_keys=True)
    (options.target / "widening.json").write_text(proof + "\n", encoding="utf-8")
    print(proof)


def _tokens(options: argparse.Namespace, config: EncoderConfig) -> tuple[Tensor, Tensor]:
    """(ids, keep) of the lines of --text, or else of random tokens."""
    import torch

    from rosphere.text.batching import pad
    from rosphere.text.reading import lines
    from rosphere.text.tokenizer import Tokenizer

    longest = min(64, config.max_position_embeddings)
    if options.text is None:
        generator = torch.Generator().manual_seed(options.seed)
        return pad(torch.randint(0, config.vocab_size, (4, longest), generator=generator).tolist(), 0)
    tokenizer = Tokenizer(options.source)
    texts = [line for _, line in lines(options.text) if line.strip()][:32]
    if not texts:
        raise InputError(f"{options.text}: expected lines of text, there are none")
    return pad([[tokenizer.cls, *ids[: longest - 2], tokenizer.sep] for ids in tokenizer.ids(texts)], tokenizer.pad)


def dimension(options: argparse.Namespace) -> None:
    """The smallest dimension for so many items by n > 8.33 log N, exactly, and why."""
    from rosphere.dimension.rule import johnson_lindenstrauss, minimal_dimension, pair_entropy

    if options.items < 1:
        raise InputError(f"items: expected at least 1, got {options.items}")
    n, log_items = minimal_dimension(options.items), math.log(options.items)
    left = 2 * log_items + pair_entropy(n)
    print(f"{options.items} items need n = {n} dimensions.")
    print("  Pairs drawn with p(i, j) ~ exp<u_i, v_j> among N items have an entropy of at most")
    print(f"  2 log N = {2 * log_items:.4f} nats; vectors of length sqrt(n) bring h_n = {pair_entropy(n):.4f} nats.")
    print(f"  That leaves {left:.4f}: n = {n} is the first at which it is below 0 and there is room to tell all pairs")
    print("  apart. A rule of thumb for token vectors (N: vocabulary) and attention heads (N: sequence length).")
    rules = f"{8.3124 * log_items:.1f} (the published 8.33 log N = {8.33 * log_items:.1f})"
    print(f"  For large N it is n > 8.31 log N = {rules}.")
    jl = johnson_lindenstrauss(options.items, 0.1)
    print(f"  To keep the distances of any N points within 10 %, Johnson and Lindenstrauss ask for n = {jl}.")
    if options.table:
        sys.stdout.writelines(_dimensions())


def _dimensions() -> Iterator[str]:
    from rosphere.dimension.rule import capacity, pair_entropy

    yield "\n     n         h_n     h_n / n   enough for N up to\n"
    for n in (8, 16, 32, 48, 64, 80, 96, 112, 128, 192, 256, 384, 512):
        items = capacity(n)
        most = f"{math.floor(items):,}" if items < 1e12 else f"{items:.3g}"
        yield f"{n:6d}  {pair_entropy(n):10.6g}  {pair_entropy(n) / n:10.6f}   {most}\n"


def parser() -> argparse.ArgumentParser:
    main_ = argparse.ArgumentParser(prog="python -m rosphere", description=__doc__)
    commands = main_.add_subparsers(required=True, metavar="similar|generate|interpolate|widen|dimension")

    one = commands.add_parser("similar", help=similar.__doc__)
    one.add_argument("query")
    one.add_argument("texts", nargs="*")
    one.add_argument("--file", type=Path, help="further texts, one a line; - is standard input")
    one.add_argument("--among", type=Path, help="a file of many lines: indexed once, in FILE.index, then searched")
    one.add_argument("--model", type=Path, default=SENTENCES)
    one.add_argument("--count", type=int, default=10)
    precise = "fp32: the same vectors on every machine; bf16: off by up to 1e-2, faster on some"
    one.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help=precise)
    one.add_argument("--reindex", action="store_true", help="replace an index of another model or precision")
    one.set_defaults(run=similar)

    one = commands.add_parser("generate", help=generate.__doc__)
    one.add_argument("texts", nargs="*")
    one.add_argument("--file", type=Path, help="further texts, one a line; - is standard input")
    one.add_argument("--model", type=Path, default=SENTENCES)
    one.add_argument("--samples", type=int, default=50, help="drawn per text, before ranking")
    one.add_argument("--count", type=int, default=5)
    one.add_argument("--top-p", type=float, default=0.95, help="mass of the nucleus; 0 is greedy")
    one.add_argument("--longest", type=int, default=40, help="tokens of a text, and of a paraphrase")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--json", action="store_true", help='a line {"text", "synonyms", "cosines"} for each text')
    one.set_defaults(run=generate)

    one = commands.add_parser("interpolate", help=interpolate.__doc__)
    one.add_argument("first", metavar="A")
    one.add_argument("last", metavar="B")
    one.add_argument("--model", type=Path, default=LATENTS)
    one.add_argument("--steps", type=int, default=7, help="sentences, the two ends included")
    one.add_argument("--longest", type=int, default=40, help="tokens of a sentence")
    one.set_defaults(run=interpolate)

    one = commands.add_parser("widen", help=widen.__doc__)
    one.add_argument("source", type=Path, metavar="SRC", help="a Hugging Face folder of a RoFormer or BERT")
    one.add_argument("target", type=Path, metavar="DST")
    one.add_argument("--width", type=int, help="hidden size; default: as it is")
    one.add_argument("--heads", type=int)
    one.add_argument("--head-size", type=int)
    one.add_argument("--feed-forward", type=int)
    one.add_argument("--layers", type=int, help="exact for RMSNorm (RoFormerV2) only")
    one.add_argument("--noise", type=float, default=0.0, help="0 to 1: unevenness of the copies' shares")
    one.add_argument("--allow-inexact", action="store_true", help="build what is not exact, and measure the gap")
    one.add_argument("--text", type=Path, help="measure on these lines, the first 32; default: random tokens")
    one.add_argument("--seed", type=int, default=0)
    one.set_defaults(run=widen)

    one = commands.add_parser("dimension", help=dimension.__doc__)
    one.add_argument("--items", type=int, required=True, help="a vocabulary's size, a sequence's length, ...")
    one.add_argument("--table", action="store_true", help="what other dimensions are enough for")
    one.set_defaults(run=dimension)
    return main_


def decoded(argument: str) -> str:
    """An argument as the UTF-8 that it nearly always is, whatever the locale has made of it.

    Raises:
        InputError: it is neither UTF-8 nor text in the locale's encoding.
    """
    raw = os.fsencode(argument)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise InputError(f"expected an argument in UTF-8, got the bytes {raw!r}") from error
        return argument


def main(arguments: Sequence[str] | None = None) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal shows what its locale can; files and pipes are UTF-8, as we read them.
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="replace")
        else:
            sys.stdout.reconfigure(encoding="utf-8")
    try:
        options = parser().parse_args([*map(decoded, sys.argv[1:])] if arguments is None else arguments)
        options.run(options)
        sys.stdout.flush()
    except (InputError, *UNUSABLE) as error:
        sys.exit(f"error: {told(error)}")
    except BrokenPipeError:  # `| head`; and nothing more is to be written at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


if __name__ == "__main__":
    main()
