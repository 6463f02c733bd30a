"""What a stage asks of the stage runner and leaves with it: settings, progress, curves, reports, checkpoints."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.cards import card, training
from pipeline.cards.card import Card
from pipeline.run import forecast, identity
from pipeline.run import settings as config
from pipeline.run.progress import Progress
from pipeline.run.report_values import plain, rounded
from pipeline.run.signals import StopRequests
from pipeline.run.speed import Speed
from pipeline.tracking import recording
from pipeline.workspace import dvc_yaml, paths, yaml_file
from rosphere import files

if TYPE_CHECKING:  # which imports torch, and that must wait for the lease of a GPU
    from rosphere.encoder.precision import Precision

T = TypeVar("T")

PARAMS = Path("params.yaml")


class Job:
    """One execution of one stage."""

    def __init__(
        self,
        *,
        name: str,
        checkpoint: Path,
        requests: StopRequests,
        tracker: recording.Tracker,
        run: str = "",
        main: bool = True,
    ) -> None:
        self.name = name  # "evaluate@sentiment"
        self.stage, _, item = name.partition("@")  # "evaluate"
        self.item = item or None  # "sentiment", or None
        self.checkpoint = checkpoint  # a folder that survives kills and is deleted after success
        self.cache = checkpoint.parents[1] / "cache"  # what is named by its content, kept for later runs
        self.run = run  # the beginning of the tag `stage.fp` of its run in MLflow
        self.main = main  # False in a process that only helps to train: it shows and writes nothing
        self._requests = requests
        self._tracker = tracker
        self._progress = Progress(name, forecast.here() if main else None)
        self._progress.begin()
        self._speed = Speed()
        self._report: dict[str, Any] = {}
        self._precision: dict[str, str] = {}

    def section(self, cls: type[T], name: str | None = None) -> T:
        """The section `name` (this stage's own by default) of params.yaml as the dataclass `cls`."""
        return config.load(PARAMS, name or self.stage, cls)

    def scalar(self, key: str, cls: type[T]) -> T:
        """The one value `key` of params.yaml, such as `seed` or `widen.size`."""
        return config.scalar(PARAMS, key, cls)

    def precision(self, width: int) -> "Precision":
        """What a model of the hidden size `width` is trained in here, by `precision` of params.yaml; logged."""
        from rosphere.encoder.precision import Requested, for_training  # imports torch

        requested: Requested = self.scalar("precision", Requested)  # type: ignore[arg-type]  # a Literal is no class
        decision = for_training(requested, width)
        before, self._precision = (
            self._precision,
            {"precision": decision.precision, "precision_reason": decision.reason},
        )
        if self.main and before != self._precision:
            print(f"{self.name}: training in {decision.precision} ({decision.reason})", flush=True)
        return decision.precision

    def stopping(self) -> bool:
        """Whether SIGINT, SIGTERM or SIGHUP came: the loop then saves to `checkpoint` and raises Stopped."""
        return self._requests.pending()

    def progress(self, step: int, total: int, metrics: Mapping[str, float], *, unit: str = "step") -> None:
        """Show that `step` of `total` steps are done, and track `metrics` at that step."""
        if not self.main:
            return
        if unit == "step":
            self._speed.reached(step)
            self._tracker.metrics(step, metrics)
        self._progress.show(step, total, metrics, unit=unit)

    def encoded(self, done: int, total: int) -> None:
        """Show that a teacher has encoded `done` of `total` texts."""
        if self.main:
            self._progress.aside("the teacher's vectors", done, total)

    def curve(self, rows: Sequence[Mapping[str, float]]) -> Path:
        """Write `rows` to reports/curves/<stage>.csv, 6 significant digits, and track the file.

        Columns are the rows' keys in the order they first appear; a value a row lacks stays empty.
        """
        columns = list(dict.fromkeys(key for row in rows for key in row))
        if not columns:
            raise ValueError(f"{self.name}: curve: expected at least one row with values, got none")
        path = Path("reports/curves") / f"{self.name.replace('@', '-')}.csv"
        if not self.main:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: rounded(value) for key, value in row.items()} for row in rows)
        self.artifact(path)
        return path

    def artifact(self, path: Path) -> None:
        """Track the file or folder `path` as it is now."""
        self._tracker.artifact(path)

    def report(self, values: Mapping[str, Any]) -> None:
        """Remember `values` for the report file; later values replace earlier ones of the same key.

        Raises:
            ValueError: a number is NaN or infinite.
            TypeError: a value is no number, text, truth value, None, sequence or mapping.
        """
        self._report.update(plain(values, self.name))

    def examples(self, values: Mapping[str, Any]) -> None:
        """Write texts to look at to reports/examples/<stage>.json, and track the file.

        Apart from the report, because DVC takes a file that begins with Chinese for binary and refuses it as metrics.
        """
        if not self.main:
            return
        path = self._beside("examples")
        text = json.dumps(plain(values, self.name), indent=1, ensure_ascii=False, sort_keys=True)
        files.write_text(path, text + "\n")
        self.artifact(path)

    def _beside(self, folder: str) -> Path:
        return Path("reports") / folder / f"{self.name.replace('@', '-')}.json"

    @property
    def report_path(self) -> Path:
        return paths.report(self.name)

    def close(self) -> None:
        """End of the work: final metrics to the tracker, then the report file, atomically."""
        self._progress.close()
        text = json.dumps(self._report, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        # The page depends on these files alone: they tell it of every stage's report, whatever stages there are.
        measured = self._speed.measured()
        told = {**measured, "run": self.run, **self._precision, "report": files.text_hash(text)}
        speed = plain(told, self.name)
        files.write_text(paths.speed(self.name), json.dumps(speed, sort_keys=True, indent=1) + "\n")
        self._tracker.final(self._speed.step, self._report, measured["seconds"])
        self._card()
        if self._report:
            files.write_text(self.report_path, text)
        self._tracker.models(Path("models"))

    def _card(self) -> None:
        """The card of each model that dvc.yaml says this stage makes, and training.json, from which it is drawn."""
        root = Path.cwd()
        outs = dvc_yaml.declared(root, self.name).outs
        made = [out for out in outs if out.parts[0] == "models" and card.describes(out)]
        if not made:
            return
        params = yaml_file.read(PARAMS)
        said = config.load(PARAMS, "card", Card) if "card" in params else Card()
        last = training.phase(
            self.name,
            self._report,
            params=params,
            precision=self._precision.get("precision"),
            read=identity.read_by(root, self.name),
        )
        for folder in made:
            card.write(folder, training.write(folder, last), said)
