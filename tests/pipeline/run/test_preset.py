"""Presets: what they change in params.yaml, and what they leave alone."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pipeline.run import check, preset
from pipeline.workspace import yaml_file
from rosphere.encoder import folder
from rosphere.errors import InputError
from tests import tiny

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of params.yaml, as seen from the project's folder."""
    monkeypatch.chdir(ROOT)
    (tmp_path / "texts.jsonl").write_text(
        "".join(f'{{"text": "第{n}天的天气不错"}}\n' for n in range(300)), encoding="utf-8"
    )
    return Path(shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml"))


def own(params: Path) -> list[str]:
    return [f"prepare.local.text=[{params.parent}/texts.jsonl]", "tasks=[]"]


def beginning(params: Path) -> list[str]:
    """An encoder without a vocabulary head, to begin with."""
    place = params.with_name("published")
    if not place.is_dir():
        pieces = tiny.tokenizer(params.with_name("pieces"), ["第一天的天气不错"])
        language = tiny.language(len(pieces), model_type="bert")
        language.bare = True
        folder.save(language, place, tokenizer=pieces.folder)
    return [f"pretrain.init={place}", f"prepare.vocabulary.path={place}", f"roformer_sim.teacher={place}"]


@pytest.mark.parametrize("name", preset.names())
def test_every_preset_makes_a_configuration_that_passes(params: Path, name: str) -> None:
    settings = [*own(params), *(beginning(params) if name == "published" else [])]
    preset.apply(name, settings, params)
    check.check(params, everything=False)
    assert preset.apply(name, settings, params) == [], "a second time nothing changes"


def test_a_published_encoder_is_asked_for_and_no_text_vae_begins_as_what_is_not_there(params: Path) -> None:
    with pytest.raises(InputError, match="schedule.steps: 0 trains nothing: expected init"):
        preset.apply("published", own(params), params)
    with pytest.raises(InputError, match="vmf_vae.decoder: pretrained begins as a language model; .*published has no"):
        preset.apply("published", [*own(params), *beginning(params), "vmf_vae.decoder=pretrained"], params)
    preset.apply(
        "published",
        [*own(params), *beginning(params), "vmf_vae.decoder=pretrained", "pretrain_wide.schedule.steps=1"],
        params,
    )


def test_only_what_is_named_changes_and_comments_stay(params: Path) -> None:
    before = params.read_text(encoding="utf-8")
    grades = params.with_name("grades-dev.tsv")
    grades.write_text("怎么退货\t如何退货\t5\n怎么退货\t天气\t0\n", encoding="utf-8")
    settings = [*own(params), f"prepare.local.graded.mine={grades}", "vmf_vae.kappa=50"]
    changes = preset.apply("cpu", settings, params)
    after = params.read_text(encoding="utf-8")
    assert "pretrain.size: tiny -> cpu" in changes and "vmf_vae.kappa: 32.0 -> 50" in changes
    assert yaml_file.read(params)["prepare"]["local"]["graded"] == {"mine": str(grades)}
    assert yaml_file.read(params)["pretrain"]["mask_rate"] == 0.3
    comments = re.findall(r"# .*", before)
    assert [comment for comment in comments if comment not in after] == []
    changed = {line.split(":")[0].split(".")[0] for line in changes}
    for section, value in yaml_file.read(params).items():
        if section not in changed:
            assert value == yaml_file.read(ROOT / "params.yaml")[section]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("huge", [], "no preset 'huge'; there are cpu"),
        ("cpu", ["seed"], "-S: expected KEY=VALUE, got 'seed'"),
        ("cpu", ["sede=3"], "sede: there is no such key"),
        ("cpu", ["vmf_vae.latent.size=3"], "vmf_vae.latent.size: there is no such key"),
        ("cpu", ["tasks=[afqmc"], "-S tasks: expected a value in YAML"),
        ("cpu", ["tasks=[]", "prepare.local.text=[no/such/*.txt]"], "nothing found at no/such"),
        ("cpu", ["tasks=[]", "pretrain.batch_size=many"], "params.yaml: pretrain.batch_size: expected int, got 'many'"),
    ],
)
def test_a_refusal_leaves_params_as_they_were(params: Path, name: str, settings: list[str], message: str) -> None:
    before = params.read_bytes()
    with pytest.raises(InputError, match=re.escape(message)):
        preset.apply(name, settings, params)
    assert params.read_bytes() == before
    assert [path.name for path in params.parent.iterdir() if "params" in path.name] == ["params.yaml"]
