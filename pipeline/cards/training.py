"""What a model's folder says of how it was made: training.json, the stages that led to it, one after the other.

Written when a stage ends, beside what the stage saved; the card (pipeline/cards/card.py) is drawn from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.run import forecast
from pipeline.workspace import declaration, numbers, paths
from pipeline.workspace.declaration import Declaration
from rosphere import files
from rosphere.errors import InputError

FILE = "training.json"
LABELLED = "data/supervised.jsonl"  # that roformer_sim.supervised.files name
MODELS, PREPARED = "models/", paths.report("prepare")
COUNTS = ("steps", "tokens", "parameters", "sentences", "unlabelled_sentences", "latent", "train_rows", "dev_rows")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A declared metric of a stage, as it was measured."""

    key: str
    label: str
    value: float
    shown: str  # as the page writes it
    beside: Mapping[str, str]  # what it has to beat, by name, from the same report


@dataclass(frozen=True, kw_only=True)
class Read:
    """Something that a stage read: its BLAKE2b hash (``rosphere.files``) and how much that was, in words."""

    path: str
    hash: str
    amount: str


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One stage of the training."""

    stage: str
    seed: int | None
    precision: str | None
    init: str | None  # the folder or hub name that it started from, where its settings name one
    counts: Mapping[str, int]  # of COUNTS those that its report has
    read: tuple[Read, ...]
    figures: tuple[Figure, ...]

    @property
    def origin(self) -> str:
        """Whose weights it started from."""
        models = [each.path for each in self.read if each.path.startswith(MODELS)]
        return self.init or ", ".join(models) or "random weights"

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Phase:
        lists = {"read": Read, "figures": Figure}
        return cls(**{**values, **{key: tuple(kind(**each) for each in values[key]) for key, kind in lists.items()}})


def figures(declared: Declaration | None, report: Mapping[str, Any], item: str = "") -> tuple[Figure, ...]:
    """The declared metrics that a report holds."""
    words, held = {**report, "item": item}, numbers.flat(report, separator=".", lists=False)
    return tuple(
        Figure(
            key=metric.key,
            label=f"{metric.label}, {metric.headline.format_map(words)}" if "{" in metric.headline else metric.label,
            value=declaration.value(report, metric.key),
            shown=metric.text(report),
            beside={
                rival.name.format_map(words): format(declaration.value(report, rival.key), metric.format)
                for rival in metric.rivals
                if not rival.stage and rival.item in ("", item) and rival.key in held
            },
        )
        for metric in (declared.metrics if declared else ())
        if metric.key in held
    )


def phase(
    name: str,
    report: Mapping[str, Any],
    *,
    params: Mapping[str, Any],
    precision: str | None,
    read: Mapping[str, str],
) -> Phase:
    """Of the stage ``name`` that ends with this report; ``read``: what it has read below data/ and models/, by hash."""
    word, _, item = name.partition("@")
    declared, section = declaration.read(Path("stages")).get(word), params.get(word)
    prepared = files.json_object(PREPARED) if PREPARED.is_file() else {}
    planned = {} if (count := forecast.steps(params, name)) is None else {"steps": count}
    return Phase(
        stage=name,
        seed=params.get("seed"),
        precision=precision,
        init=section.get("init") if isinstance(section, Mapping) else None,
        counts=planned | {key: report[key] for key in COUNTS if isinstance(report.get(key), int)},
        read=tuple(Read(path=path, hash=mark, amount=amount(path, prepared)) for path, mark in sorted(read.items())),
        figures=figures(declared, report, item),
    )


def amount(path: str, prepared: Mapping[str, Any]) -> str:
    """How much lies under a path below data/, as the report of `prepare` counts it; "" where it does not."""
    corpus, pairs, tasks = (prepared.get(key, {}) for key in ("corpus", "pairs", "tasks"))
    folder, _, rest = path.removeprefix("data/").partition("/")
    if folder == "corpus":
        splits = [rest] if rest in corpus else [split for split in ("train", "dev") if split in corpus]
        return "; ".join(
            f"{split}: {corpus[split]['documents']:,} documents, {corpus[split]['tokens']:,} tokens" for split in splits
        )
    if folder == "pairs" and "train_groups" in pairs:
        held_out = f"{pairs['dev_groups']:,} groups of {pairs['dev_sentences']:,} sentences are held out"
        return f"{pairs['train_groups']:,} groups of {pairs['train_sentences']:,} similar sentences; {held_out}"
    if folder == "tasks" and rest in tasks:
        return ", ".join(f"{split}: {tasks[rest][split]:,} rows" for split in ("train", "dev") if split in tasks[rest])
    if path == LABELLED and Path(path).is_file():
        pairs_ = sum(1 for line in Path(path).read_bytes().splitlines() if line.strip())
        return f"{pairs_:,} labelled pairs" if pairs_ else ""
    return f"{prepared['vocabulary']:,} tokens" if folder == "tokenizer" and "vocabulary" in prepared else ""


def read(folder: Path) -> tuple[Phase, ...]:
    """The stages that led to a folder's model; none where it does not say.

    Raises:
        InputError: training.json is not ours, or another version's.
    """
    path = folder / FILE
    if not path.is_file():
        return ()
    try:
        return tuple(Phase.of(values) for values in files.json_object(path)["phases"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: written by another version ({error}); train the model anew") from error


def data(phases: Sequence[Phase]) -> list[tuple[Read, str]]:
    """What was read below data/, each once, with the stages that did."""
    found: dict[Read, list[str]] = {}
    for phase_ in phases:
        for each in phase_.read:
            if not each.path.startswith(MODELS) and each.amount:
                found.setdefault(each, []).append(phase_.stage)
    return [(each, ", ".join(stages)) for each, stages in sorted(found.items(), key=lambda item: item[0].path)]


def write(folder: Path, last: Phase) -> tuple[Phase, ...]:
    """training.json of a folder whose training ended with ``last``: that, and before it what led to what it read."""
    phases = (*_before(last.read), last)
    files.write_json(folder / FILE, {"phases": [asdict(each) for each in phases]})
    return phases


def _before(read_: Sequence[Read]) -> Iterator[Phase]:
    """The stages that led to the models among what was read, each once, the earlier first."""
    seen = set()
    for each in read_:
        for phase_ in read(Path(each.path)) if each.path.startswith(MODELS) else ():
            if phase_.stage not in seen:
                seen.add(phase_.stage)
                yield phase_
