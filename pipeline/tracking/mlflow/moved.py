"""A store that an earlier version made, in a workspace that has been moved or copied since.

Such a store holds absolute places, which MLflow cannot be told to change. Its runs stay where they are, in an
experiment of another name, and new ones come into an experiment whose artifacts lie beside the database (`artifacts`).
`sync` gives every alias of the registry a version whose files are here.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.entities.model_registry import ModelVersion

from pipeline.tracking.mlflow import artifacts

CONTINUED = "continued_as"  # tag of an experiment that was put aside: the name it had


def put_aside(client: MlflowClient, found: Experiment) -> None:
    """Give the experiment another name, so that its own is free."""
    client.set_experiment_tag(found.experiment_id, CONTINUED, found.name)
    client.rename_experiment(found.experiment_id, f"{found.name}, before it was moved ({time.strftime('%F %T')})")


def earlier(client: MlflowClient, name: str) -> list[str]:
    """The ids of the experiments that were put aside for the one of this name."""
    return [str(each.experiment_id) for each in client.search_experiments() if each.tags.get(CONTINUED) == name]


def lost(client: MlflowClient, home: Path) -> Iterator[tuple[str, ModelVersion, Path]]:
    """(alias, version, folder) where an alias leads out of this workspace although the version's files are in it."""
    here = home / artifacts.FOLDER
    for model in client.search_registered_models():
        for alias, number in model.aliases.items():
            place = urlsplit(client.get_model_version_download_uri(model.name, number))
            folder = Path(unquote(place.path))
            tail = str(folder).partition(f"/{artifacts.FOLDER}/")[2]
            if place.scheme in ("", "file") and not folder.is_relative_to(here) and tail and (here / tail).is_dir():
                yield alias, client.get_model_version(model.name, number), here / tail
