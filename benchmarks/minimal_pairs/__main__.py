"""Minimal pairs: of two sentences that differ in one point of grammar, does the model prefer the right one?

    python -m benchmarks.minimal_pairs [--model models/pretrain_wide] [--pairs FILE.jsonl] [--json FILE]

FILE has lines {"good", "bad", "phenomenon"}. Printed is the share of pairs that the model gets right, by phenomenon,
with the standard error sqrt(p (1 - p) / n): by the pseudo-log-likelihood of the masked model, and by the likelihood
from left to right, which means something only of a model that was also trained to write. Neither is divided by the
length. The pairs beside this file are our own, ten for each of six phenomena: enough to see what a small model has not
learnt at all, too few to rank models by. Sets of others, such as ZhoBLiMP (arXiv 2411.06096), work once their fields
have these names.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.minimal_pairs.scoring import MEASURES
from rosphere.encoder import folder
from rosphere.errors import InputError
from rosphere.text import reading
from rosphere.text.tokenizer import Tokenizer

OWN = Path(__file__).with_name("pairs.jsonl")
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Pair:
    good: str
    bad: str
    phenomenon: str


@dataclass(frozen=True, kw_only=True)
class Share:
    """Of ``pairs`` so many are right; an even score is none."""

    accuracy: float
    standard_error: float
    pairs: int


def read(path: Path) -> list[Pair]:
    """Raises InputError where a row lacks a field, or its two sentences are one."""
    found = []
    for number, row in reading.rows(path):
        fields = {key: reading.text_field(row, key, path=path, number=number) for key in ("good", "bad", "phenomenon")}
        if fields["good"] == fields["bad"]:
            raise InputError(f"{path}:{number}: expected two different sentences, got {fields['good']!r} twice")
        found.append(Pair(**fields))
    if not found:
        raise InputError(f"{path}: expected rows with 'good', 'bad' and 'phenomenon', the file is empty")
    return found


def shares(pairs: Sequence[Pair], right: Sequence[bool]) -> dict[str, Share]:
    """By phenomenon, and of all."""
    of: dict[str, list[bool]] = {}
    for pair, each in zip(pairs, right, strict=True):
        of.setdefault(pair.phenomenon, []).append(each)
    return {name: _share(found) for name, found in [*of.items(), (ALL, list(right))]}


def _share(right: Sequence[bool]) -> Share:
    accuracy = sum(right) / len(right)
    error = (accuracy * (1 - accuracy) / len(right)) ** 0.5
    return Share(accuracy=accuracy, standard_error=error, pairs=len(right))


def measured(place: Path, pairs: Sequence[Pair]) -> dict[str, dict[str, Share]]:
    """measure -> phenomenon -> share, of the model of a folder."""
    model, tokenizer = folder.load(place).eval(), Tokenizer(place)
    found = {}
    for name, score in MEASURES.items():
        both = [[score(model, tokenizer, tokenizer.ids([text])[0]) for text in (p.good, p.bad)] for p in pairs]
        found[name] = shares(pairs, [good > bad for good, bad in both])
    return found


def table(found: Mapping[str, Mapping[str, Share]]) -> str:
    lines = ["| phenomenon | pairs | " + " | ".join(found) + " |", "| --- | --- |" + " --- |" * len(found)]
    for name, first in next(iter(found.values())).items():
        cells = [f"{each[name].accuracy:.2f} ± {each[name].standard_error:.2f}" for each in found.values()]
        lines.append(f"| {name} | {first.pairs} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/pretrain_wide"))
    parser.add_argument("--pairs", type=Path, default=OWN)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    try:
        found = measured(options.model, read(options.pairs))
    except InputError as error:
        raise SystemExit(f"error: {error}") from error
    print(table(found))
    if options.json:
        plain = {measure: {name: asdict(each) for name, each in of.items()} for measure, of in found.items()}
        options.json.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
