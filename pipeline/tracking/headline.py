"""The few numbers by which pipelines are compared, under names that stand first in every list of MLflow's.

`0 headline/evaluate_similarity recall_at_1 - higher` is better when it is higher; `... - TF-IDF` is what it has to
beat. Which they are the stages declare: what the top of the page speaks of, and the losses beside it. What all of it
cost stands with them.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from pipeline.workspace.declaration import Declaration, Metric, value

GROUP = "0 headline"  # before everything that begins with a letter
MINUTES = f"{GROUP}/minutes of all stages - lower"
ALSO = ("dev_causal_loss", "nll", "mutual_information")  # beside what the page says of a stage at its top


def of(stage: str, report: Mapping[str, Any], declared: Mapping[str, Declaration]) -> dict[str, float]:
    """The headline metrics in the report of a stage, and what is in it of the baselines that they are to beat."""
    word, _, item = stage.partition("@")
    metrics = declared[word].metrics if word in declared else ()
    found: dict[str, float] = {}
    for metric in _chosen(metrics, item):
        name = f"{GROUP}/{stage.replace('@', ' ')} {metric.word}"
        wanted = {f"{name} - {metric.better}" if metric.better else name: metric.key}
        wanted |= {f"{name} - {_written(rival.name, report)}": rival.key for rival in metric.rivals if not rival.stage}
        found |= {key: number for key, place in wanted.items() if (number := _number(report, place)) is not None}
    return found


def cost(seconds: float) -> dict[str, float]:
    """What the stages took, each where it ran last, as a headline metric."""
    return {MINUTES: round(seconds / 60, 2)}


def _chosen(metrics: tuple[Metric, ...], item: str) -> list[Metric]:
    """None of an item that the page does not speak of: one that is there to be compared with."""
    top = [metric for metric in metrics if metric.headline and _spoken_of(metric, item)]
    return [*top, *(metric for metric in metrics if top and metric.word in ALSO)]


def _spoken_of(metric: Metric, item: str) -> bool:
    return not metric.rivals or any(rival.item in ("", item) for rival in metric.rivals)


def _written(name: str, report: Mapping[str, Any]) -> str:
    """Without the sign that MLflow takes in no name: TF-IDF and logistic regression."""
    return name.format_map(defaultdict(lambda: "baseline", report)).replace(" + ", " and ")


def _number(report: Mapping[str, Any], key: str) -> float | None:
    """None where the report has none: a baseline may be switched off."""
    try:
        found = value(report, key)
    except (KeyError, TypeError):
        return None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
