"""The runs above the stages' runs: one a pipeline configuration, and one a sweep over several of them.

Nothing is handed over between processes: `dvc repro`, a flow and an experiment queue meet in the same parent because
they compute the same fingerprint, and the members of a sweep because they were given the same name.
"""

import time
from collections.abc import Mapping

from mlflow.entities import Run

from pipeline.tracking import naming
from pipeline.tracking.mlflow.store import Connection
from pipeline.tracking.mlflow.values import as_metrics, as_params, key, stage_key
from pipeline.tracking.run_log import Event

PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"  # shown, as Markdown, on the run's page
UNKNOWN = "not in MLflow"
CHANGED = "params.changed"
REUSED = "Not run again, since nothing they are made from has changed:"


def opened(store: Connection, start: Event) -> str:
    """The run id of the parent of the stage that begins with `start`, found or created, with what is known of it."""
    fingerprint = start["pipeline_fp"]
    found = store.search(f"tags.role = 'pipeline' and tags.`pipeline.fp` = '{fingerprint}'")
    if found:
        parent = found[0]
    else:
        tags = {"role": "pipeline", "pipeline.fp": fingerprint, **start.get("sources", {}), **_source(start["tags"])}
        parent = store.create(_called(store, start), start, tags | _changed(start))
    run = str(parent.info.run_id)
    store.log_params(parent, as_params(start["pipeline_params"]))
    known = parent.data.metrics
    news = {name: value for name, value in start["upstream"].items() if known.get(key(name)) != value}
    store.log_metrics(run, as_metrics(news, start, 0))
    store.log_data(run, start["data"])
    if start["sweep"]:
        store.log_tags(run, {"sweep": key(start["sweep"]), PARENT: _sweep(store, start)})
    _link_reused(store, parent, start)
    return run


def _called(store: Connection, start: Event) -> str:
    """The name that the user gave, or one from what differs from the latest pipeline run, or from what is committed."""
    if given := start.get("name"):
        return str(given)
    now, sources = as_params(start["pipeline_params"]), start.get("sources", {})
    otherwise = f"{time.strftime('%F %H:%M', time.localtime(start['time']))} {start.get('preset', '')}".strip()
    if before := store.search("tags.role = 'pipeline'", limit=1):
        tags = before[0].data.tags
        new = {name: name in tags and tags[name] != value for name, value in sources.items()}
        changed = naming.changes(before[0].data.params, now)
        text, code = new.get("sources.data", False), new.get("sources.code", False)
        return naming.called(changed, text=text, code=code, otherwise=otherwise)
    return naming.called(_uncommitted(start), text=False, code=False, otherwise=otherwise)


def _changed(start: Event) -> dict[str, str]:
    """The tag that tells what was turned from what is as committed: a column in the list, and a row in comparisons."""
    changed = _uncommitted(start)
    lines = [f"{name}={new} (committed: {old})" for name, (old, new) in changed.items()]
    return {CHANGED: "\n".join(lines)} if lines else {}


def _uncommitted(start: Event) -> naming.Changes:
    """Of the params that stages read: nothing is known of others, and nothing where nothing is committed."""
    committed, now = as_params(start.get("committed") or {}), as_params(start["pipeline_params"])
    return naming.changes({name: committed[name] for name in now if name in committed}, now) if committed else {}


def begin(store: Connection, run: str) -> None:
    """The parent runs, and the sweep above it."""
    store.client.update_run(run, status="RUNNING")
    if above := store.client.get_run(run).data.tags.get(PARENT):
        begin(store, above)


def close_orphans(store: Connection) -> None:
    """End parents that were left running with no child that does: as the last child, or FAILED without one."""
    for role in ("pipeline", "sweep"):
        for parent in store.search(f"tags.role = '{role}' and attributes.status = 'RUNNING'"):
            run = str(parent.info.run_id)
            children = store.search(f"tags.`{PARENT}` = '{run}'")
            finalize(store, run, str(children[0].info.status) if children else "FAILED")


def finalize(store: Connection, parent: str, status: str) -> None:
    """A parent runs while a child does, and ends as the last of them and when it did, however late that is delivered;
    so does a sweep with its pipelines."""
    children = store.search(f"tags.`{PARENT}` = '{parent}'")
    if any(child.info.status == "RUNNING" for child in children):
        return
    run = store.client.get_run(parent)
    ended = max((int(child.info.end_time or 0) for child in children), default=0)
    store.client.set_terminated(parent, status, ended or run.info.start_time)
    if above := run.data.tags.get(PARENT):
        finalize(store, above, status)


def _sweep(store: Connection, start: Event) -> str:
    name = key(start["sweep"])
    found = store.search(f"tags.role = 'sweep' and tags.sweep = '{name}'")
    run = found[0] if found else store.create(start["sweep"], start, {"role": "sweep", "sweep": name})
    return str(run.info.run_id)


def _link_reused(store: Connection, parent: Run, start: Event) -> None:
    """Tags `reused.<stage>` and a note with links: the earlier runs of stages that stand, or came from DVC's cache.

    Their metrics are the parent's too; where MLflow has no such run the tag says UNKNOWN.
    """
    children = store.search(f"tags.`{PARENT}` = '{parent.info.run_id}'")
    here = {run.data.tags["stage.fp"] for run in children if run.info.status in ("FINISHED", "RUNNING")}
    known = _links(parent.data.tags)
    upstream = {stage_key(stage): made for stage, made in start["upstream_stages"].items()}
    asked = {stage: made for stage, made in upstream.items() if stage not in known and made not in here}
    copied = {stage for stage in asked for name in start["upstream"] if name.startswith(f"{stage}/")}
    found = {stage: _finished(store, made) or (UNKNOWN if stage in copied else "") for stage, made in asked.items()}
    links = {**known, **{stage: run for stage, run in found.items() if run}}
    links.pop(stage_key(start["stage"]), None)  # it was, and is run again
    gone = known.keys() - links.keys()
    for stage in gone:
        store.client.delete_tag(parent.info.run_id, f"reused.{stage}")
    if links.keys() != known.keys():
        tags = {f"reused.{stage}": run for stage, run in links.items()}
        store.log_tags(parent.info.run_id, {**tags, **_note(store, parent, links)})


def _links(tags: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix("reused."): run for name, run in tags.items() if name.startswith("reused.")}


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
    lines = (f"- {stage}" if run == UNKNOWN else f"- [{stage}]({place}/{run})" for stage, run in sorted(links.items()))
    return {NOTE: "\n".join([REUSED, "", *lines])}


def _source(tags: Mapping[str, str]) -> dict[str, str]:
    known = {name: tags[name] for name in ("mlflow.source.git.commit", "git.dirty") if name in tags}
    return {"mlflow.source.name": "dvc.yaml", "mlflow.source.type": "LOCAL", **known}
