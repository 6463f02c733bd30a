"""Cards of models: front matter that Hugging Face reads, code that runs, figures and data as the stages have them."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelCard

from pipeline.cards import __main__ as publishing
from pipeline.cards import card, training
from pipeline.cards.card import Card, Measured
from pipeline.cards.training import Figure, Phase, Read
from pipeline.workspace.declaration import Declaration, Metric, Rival
from pipeline.workspace.graph import Graph, Stage
from rosphere.clue import folder as task_folders
from rosphere.clue.declared import Declared
from rosphere.clue.model import TaskModel
from rosphere.encoder import folder as folders
from rosphere.errors import InputError
from rosphere.similarity import folder as similarity
from rosphere.static import folder as static
from rosphere.static import pieces
from rosphere.static.folder import StaticEncoder
from tests import tiny
from tests.drill import models as builders

PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
PREPARED = {
    "corpus": {"train": {"documents": 1200, "tokens": 34567}, "dev": {"documents": 3, "tokens": 45}},
    "pairs": {"train_groups": 7, "train_sentences": 1500, "dev_groups": 2, "dev_sentences": 4},
    "tasks": {"faq": {"train": 10, "dev": 5, "train_dropped_overlap": 1}},
    "vocabulary": 1728,
}
FIGURE = Figure(key="dev_loss", label="loss on dev", value=4.25, shown="4.25", beside={"TF-IDF": "4.50"})
CORPUS = Read(path="data/corpus", hash="ab12", amount="train: 3 documents, 9 tokens")
PHASES = (
    Phase(stage="pretrain", seed=8, precision="fp32", init="org/base", counts={}, read=(CORPUS,), figures=()),
    Phase(
        stage="simbert",
        seed=8,
        precision="fp32",
        init=None,
        counts={"steps": 4000},
        read=(CORPUS, Read(path="models/pretrain", hash="cd", amount="")),
        figures=(FIGURE,),
    ),
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of each kind."""
    place = tmp_path_factory.mktemp("cards")
    builders.own(place)
    builders.latent(place)
    known = pieces.chosen(["怎么挂失银行卡", "银行卡丢了怎么办"], 30)
    table = np.random.default_rng(0).standard_normal((len(known), 6)).astype(np.float32)
    static.save(StaticEncoder(backend=pieces.tokenizer(known), table_PD=table), place / "static")
    language = similarity.load(place / "own").language
    folders.save(language, place / "language", tokenizer=place / "pieces")
    encoder = similarity.load(place / "own")
    encoder.language.bare = True
    folders.save(encoder.language, place / "bare", tokenizer=place / "pieces")
    similarity.save(encoder, place / "bare-sentences", tokenizer=place / "pieces")
    own = Declared(kind="classification", labels=("退款", "物流"))
    for name, means in (("task", True), ("classifier", False)):
        model = TaskModel(tiny.encoder(35, seed=2), own.task("tickets"), means=means)
        task_folders.save(model, place / name, tokenizer=place / "pieces", own=own)
    return place


KINDS = {
    "own": ("sentence-similarity", "sentence-transformers"),
    "static": ("sentence-similarity", "sentence-transformers"),
    "vae": ("text-generation", "rosphere"),
    "language": ("fill-mask", "transformers"),
    "bare": ("feature-extraction", "transformers"),
    "bare-sentences": ("sentence-similarity", "sentence-transformers"),
    "task": ("text-classification", "rosphere"),
    "classifier": ("text-classification", "rosphere"),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_front_matter_is_hugging_faces(name: str, models: Path) -> None:
    said = ModelCard(card.text(models / name, PHASES, Card(license="cc-by-4.0"))).data
    assert (said.pipeline_tag, said.library_name) == KINDS[name]
    assert (said.language, said.license, said.base_model) == ("zh", "cc-by-4.0", "org/base")
    (result,) = said.eval_results
    assert (result.metric_type, result.metric_value) == ("dev_loss", 4.25)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", KINDS)
def test_its_python_runs(name: str, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = PYTHON.findall(card.text(models / name, PHASES, Card()))
    assert found
    for code in found:
        exec(compile(code, f"{name} README.md", "exec"), {})


def test_its_commands_have_options_that_there_are(models: Path) -> None:
    from typer.main import get_command

    from rosphere.cli.app import application

    known = get_command(application()).commands  # type: ignore[attr-defined]
    lines = [
        line.split()
        for name in KINDS
        for line in card.text(models / name, PHASES, Card()).splitlines()
        if line.startswith("rosphere ")
    ]
    assert {words[1] for words in lines} == {"similar", "generate", "interpolate", "predict"}
    for _, command, *rest in lines:
        options = {option for parameter in known[command].params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options


def test_what_it_says_of_the_training(models: Path) -> None:
    text = card.text(
        models / "own", PHASES, Card(), [Measured(stage="evaluate", figures=(replace(FIGURE, shown="9"),))]
    )
    assert "| simbert | loss on dev | 4.25 | TF-IDF 4.50 |" in text
    assert "| evaluate | loss on dev | 9 | TF-IDF 4.50 |" in text
    assert "| pretrain | org/base |  | 8 | fp32 |" in text
    assert "| simbert | models/pretrain | 4,000 | 8 | fp32 |" in text
    assert text.count("| data/corpus | train: 3 documents, 9 tokens | pretrain, simbert | `ab12` |") == 1


def test_a_card_is_the_same_when_it_is_drawn_from_training_json(models: Path, tmp_path: Path) -> None:
    figure = replace(FIGURE, beside={"the majority": "1", "TF-IDF": "2"})
    last = replace(PHASES[1], read=(CORPUS,), figures=(figure,))
    written = training.write(tmp_path, last)
    texts = [card.text(models / "own", phases, Card()) for phases in (written, training.read(tmp_path))]
    assert texts[0] == texts[1] and "| TF-IDF 2; the majority 1 |" in texts[0]


def test_a_licence_that_nobody_stated_is_not_made_up(models: Path) -> None:
    assert "Nobody has stated a licence" in card.text(models / "own", PHASES, Card())
    said = card.text(models / "own", PHASES, Card(license="mit", inputs="Reviews of our own shop."))
    assert "mit, as whoever trained the model states." in said
    assert "Reviews of our own shop." in said


def test_a_licence_that_is_no_word_and_a_folder_that_is_no_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="license: expected a word such as mit"):
        Card(license="MIT: see below")
    with pytest.raises(InputError, match="not a model of ours"):
        card.kind(tmp_path)


def test_what_is_no_model_of_ours_has_no_card(models: Path, tmp_path: Path) -> None:
    (tmp_path / "index.bin").write_bytes(b"a stage of one's own")
    assert [card.describes(place) for place in (models / "own", tmp_path, tmp_path / "absent")] == [True, False, False]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data/corpus", "train: 1,200 documents, 34,567 tokens; dev: 3 documents, 45 tokens"),
        ("data/corpus/dev", "dev: 3 documents, 45 tokens"),
        ("data/pairs", "7 groups of 1,500 similar sentences; 2 groups of 4 sentences are held out"),
        ("data/tasks/faq", "train: 10 rows, dev: 5 rows"),
        ("data/tokenizer", "1,728 tokens"),
        ("data/supervised.jsonl", ""),
    ],
)
def test_amounts_are_those_of_prepare(path: str, expected: str) -> None:
    assert training.amount(path, PREPARED) == expected
    assert training.amount(path, {}) == ""


def test_figures_are_the_declared_ones_beside_what_they_have_to_beat() -> None:
    rivals = (Rival(key="of.tfidf", name="{name}"), Rival(key="x", name="elsewhere", stage="other"))
    metrics = (
        Metric(key="score", label="score", format=".2f", headline="{item} ({metric})", rivals=rivals),
        Metric(key="absent", label="absent"),
        Metric(key="flag", label="no number"),
    )
    report = {"score": 0.5, "metric": "F1", "of": {"tfidf": 0.25}, "name": "TF-IDF", "flag": True, "more": 3}
    (found,) = training.figures(Declaration(title="", metrics=metrics), report, "faq")
    assert found == Figure(key="score", label="score, faq (F1)", value=0.5, shown="0.50", beside={"TF-IDF": "0.25"})


def test_what_led_to_a_model_goes_along_with_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def stage(name: str, *read: str) -> Phase:
        return replace(PHASES[0], stage=name, init=None, read=tuple(Read(path=p, hash="", amount="") for p in read))

    for name, *read in (["a"], ["b", "models/a"], ["c", "models/a", "models/b", "data/pairs"]):
        folder = Path("models", name)
        folder.mkdir(parents=True)
        training.write(folder, stage(name, *read))
    assert [phase.stage for phase in training.read(Path("models/c"))] == ["a", "b", "c"]
    assert training.read(Path("models")) == ()
    (Path("models/c") / training.FILE).write_text('{"phases": [{}]}')
    with pytest.raises(InputError, match="written by another version"):
        training.read(Path("models/c"))


def stage(name: str, *upstream: str, outs: tuple[str, ...] = (), changed: tuple[str, ...] = ()) -> Stage:
    values: dict[str, Any] = {"desc": "", "cmd": "", "uncached": (), "meta": {}, "frozen": False}
    return Stage(
        name=name, upstream=upstream, outs=outs, changed=changed, metrics=("m",), always_changed=False, **values
    )


def plan(changed: tuple[str, ...] = ()) -> Graph:
    return Graph(
        stages=(
            stage("wide", outs=("models/wide",)),
            stage("sim", "wide", outs=("models/sim",)),
            stage("measure", "wide", "sim", outs=("reports/examples.json",), changed=changed),
            stage("look", "wide"),
        )
    )


@pytest.fixture
def workspace(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where two stages have measured, one of them both models."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stages").mkdir()
    (tmp_path / "reports").mkdir()
    for name in ("measure", "look"):
        metrics = (
            'DECLARATION = Declaration(title="t", metrics=(Metric(key="recall", label="recall", better="higher"),))'
        )
        (tmp_path / "stages" / f"{name}.py").write_text(metrics + "\n")
        (tmp_path / "reports" / f"{name}.json").write_text(json.dumps({"recall": 0.5}))
    shutil.copytree(models / "own", tmp_path / "models" / "sim")
    shutil.copytree(models / "language", tmp_path / "models" / "wide")
    return tmp_path


def test_a_measure_is_of_the_last_model_that_it_reads(workspace: Path) -> None:
    found = {name: publishing.measured(plan(), Path("models", name)) for name in ("sim", "wide")}
    assert {name: [each.stage for each in each[0]] for name, each in found.items()} == {
        "sim": ["measure"],
        "wide": ["look"],
    }
    assert [each.value for each in found["sim"][0][0].figures] == [0.5]
    assert found["sim"][1] == []


def test_a_measure_that_is_not_up_to_date_is_left_out_and_said(workspace: Path) -> None:
    found, notes = publishing.measured(plan(("deps",)), Path("models/sim"))
    assert (found, notes) == ([], ["figures of measure are left out: not up to date"])
    with pytest.raises(InputError, match="no stage of dvc.yaml makes this folder"):
        publishing.measured(plan(), Path("models/other"))


def test_a_copy_for_others(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing.graph, "discover", lambda _: plan())
    (workspace / "models/sim/moments.safetensors").write_bytes(b"")
    assert publishing.published(Path("models/sim"), Path("out/encoder"), Card(license="mit")) == []
    text = Path("out/encoder/README.md").read_text(encoding="utf-8")
    assert "| measure | recall | 0.5 |  |" in text
    assert 'SentenceTransformer("encoder")' in text
    assert ModelCard(text).data.model_name == "encoder"
    assert not Path("out/encoder/moments.safetensors").exists()
    weights = [path.relative_to("models/sim") for path in Path("models/sim").rglob("model.safetensors")]
    assert all(
        (Path("out/encoder") / each).read_bytes() == (Path("models/sim") / each).read_bytes() for each in weights
    )
    with pytest.raises(InputError, match="exists"):
        publishing.published(Path("models/sim"), Path("out/encoder"), Card())
