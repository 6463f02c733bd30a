"""The runs above the stages' runs: one a pipeline configuration, and one a sweep over several of them.

Nothing is handed over between processes: `dvc repro`, a flow and an experiment queue meet in the same parent because
they compute the same fingerprint, and the members of a sweep because they were given the same name.
"""

from collections.abc import Mapping

from mlflow.entities import Run

from pipeline.tracking.mlflow.store import Connection, acceptable, as_metrics, as_params
from pipeline.tracking.run_log import Event

PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"  # shown, as Markdown, on the run's page
REUSED = "Not run again, since nothing they are made from has changed:"


def opened(store: Connection, start: Event) -> str:
    """The run id of the parent of the stage that begins with `start`, found or created, and running."""
    fingerprint = start["pipeline_fp"]
    found = store.search(f"tags.role = 'pipeline' and tags.`pipeline.fp` = '{fingerprint}'")
    if found:
        parent = found[0]
        store.client.update_run(parent.info.run_id, status="RUNNING")
    else:
        tags = {"role": "pipeline", "pipeline.fp": fingerprint, **_commit(start["tags"])}
        parent = store.create(f"pipeline {fingerprint[:8]}", start, tags)
    run = str(parent.info.run_id)
    store.log_params(parent, as_params(start["pipeline_params"]))
    known = parent.data.metrics
    news = {key: value for key, value in start["upstream"].items() if known.get(acceptable(key)) != value}
    store.log_metrics(run, as_metrics(news, start, 0))
    store.log_data(run, start["data"], start["home"])
    if start["sweep"]:
        store.log_tags(run, {"sweep": acceptable(start["sweep"]), PARENT: _sweep(store, start)})
    _link_reused(store, parent, start)
    return run


def finalize(store: Connection, parent: str, status: str) -> None:
    """A parent runs while a child does, and ends as the last of them; so does a sweep with its pipelines."""
    if store.search(f"tags.`{PARENT}` = '{parent}' and attributes.status = 'RUNNING'"):
        return
    store.client.set_terminated(parent, status)
    above = store.client.get_run(parent).data.tags.get(PARENT)
    if above:
        finalize(store, above, status)


def _sweep(store: Connection, start: Event) -> str:
    name = acceptable(start["sweep"])
    found = store.search(f"tags.role = 'sweep' and tags.sweep = '{name}'")
    run = found[0] if found else store.create(name, start, {"role": "sweep", "sweep": name})
    store.client.update_run(run.info.run_id, status="RUNNING")
    return str(run.info.run_id)


def _link_reused(store: Connection, parent: Run, start: Event) -> None:
    """Tags `reused.<stage>` and a note with links: the earlier runs of the upstream stages that DVC restored."""
    children = store.search(f"tags.`{PARENT}` = '{parent.info.run_id}'")
    here = {run.data.tags["stage.fp"] for run in children if run.info.status in ("FINISHED", "RUNNING")}
    known = _links(parent.data.tags)
    asked = {stage: made for stage, made in start["upstream_stages"].items() if stage not in known and made not in here}
    found = {stage: _finished(store, made) for stage, made in asked.items()}
    links = {**known, **{stage: run for stage, run in found.items() if run}}
    links.pop(start["stage"], None)  # it was, and is run again
    gone = known.keys() - links.keys()
    for stage in gone:
        store.client.delete_tag(parent.info.run_id, f"reused.{stage}")
    if links.keys() != known.keys():
        tags = {f"reused.{stage}": run for stage, run in links.items()}
        store.log_tags(parent.info.run_id, {**tags, **_note(store, parent, links)})


def _links(tags: Mapping[str, str]) -> dict[str, str]:
    return {key.removeprefix("reused."): run for key, run in tags.items() if key.startswith("reused.")}


def _finished(store: Connection, fingerprint: str) -> str | None:
    done = "tags.role = 'stage' and attributes.status = 'FINISHED'"
    runs = store.search(f"{done} and tags.`stage.fp` = '{fingerprint}'")
    return str(runs[0].info.run_id) if runs else None


def _note(store: Connection, parent: Run, links: Mapping[str, str]) -> dict[str, str]:
    """The links for people, unless a person has written something there."""
    before = parent.data.tags.get(NOTE, "")
    if before and not before.startswith(REUSED):
        return {}
    place = f"#/experiments/{store.experiment}/runs"
    return {NOTE: "\n".join([REUSED, "", *(f"- [{stage}]({place}/{run})" for stage, run in sorted(links.items()))])}


def _commit(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: tags[key] for key in ("mlflow.source.git.commit", "git.dirty") if key in tags}
