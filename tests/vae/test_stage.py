"""What the stage takes from params.yaml, what the page makes of the sphere, and the benchmark's book-keeping."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import vae as benchmark
from pipeline.report import captions, figures
from pipeline.report.run_data import RunData
from pipeline.run import settings as config
from rosphere.errors import InputError
from rosphere.text import reading
from rosphere.vae.latents import encode, view
from stages import evaluate_vae, report, vmf_vae
from tests import tiny
from tests.tiny import shaken
from tests.vae.models import model

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"


def changed(tmp_path: Path, old: str, new: str) -> vmf_vae.VmfVae:
    text = PARAMS.read_text(encoding="utf-8")
    section = text.index("\nvmf_vae:")
    place = text.index(old, section)
    (tmp_path / "params.yaml").write_text(text[:place] + new + text[place + len(old) :], encoding="utf-8")
    return config.load(tmp_path / "params.yaml", "vmf_vae", vmf_vae.VmfVae)


def test_the_defaults_are_the_vmf_and_the_plain_gaussian() -> None:
    settings = config.load(PARAMS, "vmf_vae", vmf_vae.VmfVae)
    assert settings.variants == ["vmf", "gaussian"]
    assert settings.shape(8).kappa == 30.0


def test_another_kappa_and_other_baselines_are_a_matter_of_params(tmp_path: Path) -> None:
    assert changed(tmp_path, "kappa: 30.0", "kappa: learned").shape(8).kappa == "learned"
    assert changed(tmp_path, "kappa: 30.0", "kappa: 1e4").shape(8).kappa == 1e4
    assert changed(tmp_path, "gaussian]", "gaussian_bn, vmf_learned]").variants == ["vmf", "gaussian_bn", "vmf_learned"]
    assert changed(tmp_path, ", gaussian]", "]").variants == ["vmf"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kappa: 30.0", "kappa: -1", "kappa: expected a number above 0"),
        ("kappa: 30.0", "kappa: fixed", r"vmf_vae\.kappa: expected float \| one of 'learned', got 'fixed'"),
        ("[vmf, gaussian]", "[vmf, gaussian, gaussian]", "variants: expected each once, got gaussian 2 times"),
        ("[vmf, gaussian]", "[gaussian]", "variants: expected vmf among them"),
        ("[vmf, gaussian]", "[vmf, laplace]", r"variants\[1\]: expected one of 'vmf', .*got 'laplace'"),
        ("annealing: 0.5", "annealing: 2", "annealing: expected a share of the run"),
    ],
)
def test_what_the_stage_refuses(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(config.ConfigError, match=message):
        changed(tmp_path, old, new)


def test_no_draws_are_no_estimate(tmp_path: Path) -> None:
    text = PARAMS.read_text(encoding="utf-8").replace("importance_samples: 50", "importance_samples: 0")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(config.ConfigError, match="evaluate_vae: batch_size, .*expected 1 or more of each"):
        config.load(tmp_path / "params.yaml", "evaluate_vae", evaluate_vae.EvaluateVae)


# --- the figure


@pytest.fixture
def run_data(tmp_path: Path) -> RunData:
    points = [[0.5, 0.0], [0.25, 0.5], [0.9, -0.1]]
    (tmp_path / "examples").mkdir()
    examples = {"sphere": {"points": points, "labels": ["0", "1", "0"]}}
    (tmp_path / "examples" / "evaluate_vae-vmf.json").write_text(json.dumps(examples))
    return RunData(folder=tmp_path, tasks=[], variants=["vmf", "gaussian"])


def test_the_sphere_is_drawn_with_the_same_bytes_every_time(run_data: RunData, tmp_path: Path) -> None:
    figures.sphere(run_data, tmp_path / "sphere.svg")
    first = (tmp_path / "sphere.svg").read_bytes()
    figures.sphere(run_data, tmp_path / "sphere.svg")
    assert b"<svg" in first and (tmp_path / "sphere.svg").read_bytes() == first
    shown = figures.Figure(path=tmp_path / "sphere.svg", caption=captions.sphere(run_data))
    assert shown.caption.description == "Scatter plot inside the unit circle: 2 with label 0 and 1 with label 1."
    assert "<svg" in report.sphere({"sphere": shown}, {})[0]


def test_without_labels_the_page_says_why_there_is_no_sphere(run_data: RunData) -> None:
    (run_data.folder / "examples" / "evaluate_vae-vmf.json").write_text("{}")
    assert run_data.sphere is None
    (said,) = report.sphere({}, {})
    assert "the task sentiment" in said and "not prepared" in said


# --- the benchmark


def test_a_folder_of_another_protocol_is_refused(tmp_path: Path) -> None:
    protocol = benchmark.Protocol(
        data="a-b",
        latent=8,
        steps=10,
        rows=4,
        rate=1e-3,
        max_length=26,
        word_dropout=0.0,
        dropout=0.1,
        importance_sentences=3,
        draws=5,
        sentences=9,
    )
    protocol.keep(tmp_path / "runs")
    protocol.keep(tmp_path / "runs")
    with pytest.raises(InputError, match="have steps 10, not 20: choose another folder"):
        replace(protocol, steps=20).keep(tmp_path / "runs")


def test_the_table_has_means_and_spreads() -> None:
    one = dict.fromkeys(benchmark.COLUMNS, 1.0)
    lines = benchmark.table({"vmf-50": [one, {**one, "nll": 4.0}], "gaussian": [one]})
    assert lines[2].startswith("| vmf-50 | 2.5 ± 2.1 | 1 ± 0 |")
    assert lines[3].startswith("| gaussian | 1 | 1 |")


# --- the view of labelled sentences


def test_the_view_is_of_the_held_out_along_the_means_of_the_training_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer, found = tiny.of_characters(tmp_path / "tokenizer", 11), shaken(model())
    train = {"0": ["一丁丂", "七丄"], "1": ["丆万", "丈三上"]}
    rows = [{"sentence": text, "label": label} for label, texts in train.items() for text in texts]
    long = {"sentence": "一" * 30, "label": "0"}
    dev = [{"sentence": "丁七", "label": "1"}, long, {"sentence": "上三", "label": "0"}]
    for split, content in (("train", [*rows, long]), ("dev", dev)):
        reading.write_rows(tmp_path / "sentiment" / f"{split}.jsonl", content)
    monkeypatch.setattr(evaluate_vae, "LABELLED", tmp_path / "sentiment")
    means = [encode(found, tokenizer, texts).mean(0) for texts in train.values()]
    expected = view(encode(found, tokenizer, ["丁七", "上三"]), *means)
    shown = evaluate_vae.view(found, tokenizer, 26)["sphere"]
    assert shown["labels"] == ["1", "0"]
    torch.testing.assert_close(torch.tensor(shown["points"]), expected, rtol=0, atol=1e-5)
    assert evaluate_vae.view(shaken(model("gaussian")), tokenizer, 26) == {}
    monkeypatch.setattr(evaluate_vae, "LABELLED", tmp_path / "nowhere")
    assert evaluate_vae.view(found, tokenizer, 26) == {}
