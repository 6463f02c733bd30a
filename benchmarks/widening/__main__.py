"""Does widening save compute? Narrow pretraining, widening and training on, against training wide from the start.

    python -m benchmarks.widening --data data --folder runs [--narrow 128 --times 2] [--seeds 0 1 2] [--json FILE]

For each seed one wide run from random weights and one narrow run, both at a constant learning rate after their
warm-up, so that every point of a run is the end of a shorter one. --scratch-rate is the wide run's own rate, and should
be the best one for it: a control that stalls makes any saving look large. With --lower that run also goes on from these
steps at the rate of the widened runs, so that nothing is called saved that only a lower rate has done. At each switch
point the narrow model is widened, with its optimizer state grown, and trained on at --wide-rate times the rate. The
saving at a loss is 1 - cost(narrow + widened) / cost(wide from random weights), the narrow part included, where each
curve first reaches that loss on the same held-out text; the cost is FLOPs, and with --clock also seconds, measured on
the spot. --fresh restarts the optimizer instead, with a warm-up; --slow-readers gives muP's rates.

Every run is kept under --folder as it ends, and a killed one goes on: the same command continues.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from benchmarks.widening import figure, runs
from benchmarks.widening.curves import Prices, from_random_weights, savings
from benchmarks.widening.runs import Plan, Text

SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)  # of the run from random weights, at which the table shows what is saved


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="what the stage prepare made")
    parser.add_argument("--folder", type=Path, required=True, help="where runs are kept")
    parser.add_argument("--narrow", type=int, default=128)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--switches", type=int, nargs="+", default=[500, 1000, 2000], help="narrow steps")
    parser.add_argument("--after", type=int, default=600, help="steps of the widened model")
    parser.add_argument("--scratch", type=int, default=2500, help="steps of the wide model from random weights")
    parser.add_argument("--lower", type=int, nargs="*", default=[], help="steps from which it also goes on more slowly")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--scratch-rate", type=float, default=1.0, help="the wide run's rate in units of --rate")
    parser.add_argument("--wide-rate", type=float, default=0.5, help="the widened runs' rate in units of --rate")
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--rewarm", type=int, default=0, help="warm-up steps after widening")
    parser.add_argument("--noise", type=float, default=0.3)
    parser.add_argument("--slow-readers", action="store_true", help="muP's learning rates after widening")
    parser.add_argument("--fresh", action="store_true", help="a new optimizer after widening")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--clock", action="store_true", help="savings of time too; wants a machine to itself")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    return parser.parse_args()


def table(seeds: dict[int, figure.Curves], prices: Prices, unit: str) -> list[str]:
    """A line per switch point: what is saved, smallest, mean and largest of the seeds, by how long one trains."""
    names = [name for name in next(iter(seeds.values())) if name.startswith("switch")]
    lines = [f"| saved {unit} | " + " | ".join(f"{share:.0%} of the run" for share in SHARES) + " |"]
    lines.append("| --- |" + " --- |" * len(SHARES))
    for name in names:
        saved = [
            [s for _, s in savings(from_random_weights(curves), curves[name], prices)] for curves in seeds.values()
        ]
        last = len(saved[0]) - 1
        cells = [_cell([each[round(share * (last + 1)) - 1] for each in saved]) for share in SHARES]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _cell(saved: list[float]) -> str:
    there = [value for value in saved if math.isfinite(value)]
    if not there:
        return "not reached"
    said = f"{sum(there) / len(there):.0%} ({min(there):.0%} to {max(there):.0%})"
    return said if len(there) == len(saved) else f"{said}, {len(saved) - len(there)} not reached"


def main() -> None:
    options = arguments()
    plan = Plan(**{name: getattr(options, name) for name in Plan.__dataclass_fields__})
    seeds = {seed: runs.one_seed(options.data, options.folder, plan, seed) for seed in options.seeds}
    text = Text.read(options.data, options.seeds[0])
    narrow, wide = (runs.shape(text, width, plan.layers) for width in (plan.narrow, plan.wide))
    flops = (runs.flops_of_a_step(narrow), runs.flops_of_a_step(wide))
    shown = table(seeds, flops, "FLOPs")
    seconds = runs.seconds_of_a_step(text, plan) if options.clock else None
    if seconds:
        shown += [
            "",
            f"A narrow step takes {seconds[0] / seconds[1]:.2f} of a wide one.",
            "",
            *table(seeds, seconds, "time"),
        ]
    print("\n".join(shown))
    if options.json:
        found = {"plan": vars(plan), "flops": flops, "seconds": seconds, "seeds": seeds}
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.figure:
        title = f"{plan.narrow} to {plan.wide} wide, {plan.layers} layers"
        figure.draw(seeds, flops, title, options.figure)


if __name__ == "__main__":
    main()
