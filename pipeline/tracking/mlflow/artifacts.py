"""Where artifacts lie: beside MLflow's database, wherever that is by now.

MLflow writes into its database for good in which folder artifacts lie, and has no command that changes it. The scheme
`mlflow-artifacts:` names no folder: MLflow's server looks for it in its `--artifacts-destination`, by default
`mlartifacts` in its directory. Without a server MLflow refuses it; `repository` takes it for the folder `mlartifacts`
beside a SQLite database, so that a workspace may be moved, copied and mounted elsewhere. pyproject.toml tells every
MLflow of the environment so, as an entry point `mlflow.artifact_repository`, which is MLflow's way of plugins.
"""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
from sqlalchemy.engine import make_url

from pipeline.workspace import paths

SCHEME = "mlflow-artifacts"
FOLDER = paths.mlflow_artifacts(Path()).name  # MLflow's own default


def repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> ArtifactRepository:
    """What MLflow asks to read and write at `mlflow-artifacts:...`: beside a SQLite database, else of a server."""
    if (folder := folder_of(tracking_uri or _default())) is None:
        return MlflowArtifactsRepository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)
    place = folder / unquote(urlsplit(artifact_uri).path).strip("/")
    return LocalArtifactRepository(place.as_uri(), tracking_uri=tracking_uri, registry_uri=registry_uri)


def folder_of(tracking_uri: str) -> Path | None:
    """The folder of the artifacts of a store that is a SQLite file, from the current directory; of others None."""
    if not tracking_uri.startswith("sqlite"):
        return None
    database = make_url(tracking_uri).database
    return Path(database).absolute().parent / FOLDER if database else None


def make_known() -> None:
    """To the MLflow of this process, also where the package is not installed, or from before it declared this."""
    from mlflow.store.artifact.artifact_repository_registry import get_registered_artifact_repositories

    known: dict[str, Any] = get_registered_artifact_repositories()  # declared as instances, they are what makes them
    known[SCHEME] = repository


def left_behind(location: str | None, home: Path) -> bool:
    """Whether an experiment's place is one that an earlier version wrote down when its workspace lay elsewhere."""
    folder = home / FOLDER
    named = location is not None and location.startswith(("file:", "/")) and location.endswith(f"/{FOLDER}")
    return named and Path(unquote(urlsplit(location or "").path)) != folder


def _default() -> str:
    from mlflow.tracking import get_tracking_uri

    return str(get_tracking_uri())
