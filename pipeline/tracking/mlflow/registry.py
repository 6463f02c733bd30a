"""A finished stage's model into MLflow's registry, and the alias `champion` to whom it belongs."""

import tempfile
from pathlib import Path
from typing import Any

from mlflow import pyfunc
from mlflow.entities import LoggedModelOutput, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from pipeline.serving import packaging
from pipeline.tracking import run_log
from pipeline.tracking.mlflow.store import Connection
from pipeline.tracking.promotion import Champion, Measured, decision
from pipeline.tracking.run_log import Event

ALIAS = "champion"
LOG_TAGS = ("run_log", "spool")  # of a version: the name of its run log; the second by older versions of ours


def register(store: Connection, run: str, start: Event, path: Path, event: Event) -> None:
    """A version of the registered model named after the folder, made by `run`, and the alias if it earns it.

    May be called again after any error: what was done by then is found and left as it is. If somebody has written into
    the model's files since, they are not what the run made: the run gets a tag that says so, and there is no version.
    """
    name, made_by = Path(event["path"]).name, store.client.get_run(run)
    if run_log.stamps(path / event["path"]) != event["stamps"]:
        return store.log_tags(run, {f"model.{name}": "not registered: its files were written to after the stage"})
    with store.locked():
        if not store.client.search_registered_models(f"name = '{name}'"):
            store.client.create_registered_model(name, tags={"stage": start["stage"]})
    found = store.client.search_model_versions(f"name = '{name}' and run_id = '{run}'")
    resumed = [version for version in found if path.name in map(version.tags.get, LOG_TAGS)]
    version = resumed[0] if resumed else _version(store, name, made_by, start, path, event)
    with store.locked():
        _promote(store, version, made_by, Champion(**{"measured_by": "", **event["rule"]}))


def _version(store: Connection, name: str, run: Run, start: Event, path: Path, event: Event) -> ModelVersion:
    tags = {
        "stage": start["stage"],
        "stage.fp": start["stage_fp"],
        "pipeline.fp": start["pipeline_fp"],
        "run": run.info.run_id,
        LOG_TAGS[0]: path.name,
        **({"git.commit": commit} if (commit := run.data.tags.get("mlflow.source.git.commit")) else {}),
    }
    logged = _logged(store, name, run, path, event, tags)
    with store.as_default():
        return store.client.create_model_version(
            name, source=logged.model_uri, run_id=run.info.run_id, tags=tags, model_id=logged.model_id
        )


def _logged(store: Connection, name: str, run: Run, path: Path, event: Event, tags: dict[str, str]) -> Any:
    """The model in the artifact store; one that was there half is left behind as it is, without a version."""
    client, made_by = store.client, run.info.run_id
    logged = client.create_logged_model(store.experiment, name, source_run_id=made_by, tags=tags)
    about = Model(
        artifact_path=logged.artifact_location, model_uuid=logged.model_id, run_id=made_by, model_id=logged.model_id
    )
    certificates = [path / certificate for certificate in event["certificates"]]
    with tempfile.TemporaryDirectory() as place:
        pyfunc.save_model(
            path=f"{place}/model", mlflow_model=about, **packaging.described(path / event["path"], certificates)
        )
        client.log_model_artifacts(logged.model_id, f"{place}/model")
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(made_by, [LoggedModelOutput(logged.model_id, step=0)])
    return logged


def _promote(store: Connection, version: ModelVersion, run: Run, rule: Champion) -> None:
    """Decide once, and write down why on the version."""
    client, name = store.client, version.name
    if client.get_model_version(name, version.version).tags.get(ALIAS):
        return
    takes, why = decision(rule, _measured(run, rule), _champion(store, name, rule))
    if takes:
        client.set_registered_model_alias(name, ALIAS, version.version)
    client.set_model_version_tag(name, version.version, ALIAS, f"{'yes' if takes else 'no'}: {why}")


def _champion(store: Connection, name: str, rule: Champion) -> Measured | None:
    holder = store.client.get_registered_model(name).aliases.get(ALIAS)
    if holder is None:
        return None
    made_by = store.client.get_model_version(name, holder).run_id or ""  # none: registered by hand
    try:
        return _measured(store.client.get_run(made_by), rule) if made_by else Measured(metrics={}, deps={})
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return Measured(metrics={}, deps={})  # the run has been deleted for good


def _measured(run: Run, rule: Champion) -> Measured:
    deps = {path: run.data.tags.get(f"dep.{path}", "") for path in rule.measured_on}
    return Measured(metrics=run.data.metrics, deps=deps)
