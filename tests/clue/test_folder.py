"""Task models on disk: every kind says the same after it was saved; transformers reads the encoder; the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rosphere.cli import app
from rosphere.clue import folder as folders
from rosphere.clue import predicting
from rosphere.clue.declared import Declared, named
from rosphere.clue.kinds.table import KINDS
from rosphere.clue.model import TaskModel
from rosphere.clue.tasks import Task
from rosphere.encoder import folder as encoders
from rosphere.encoder import masks
from rosphere.errors import InputError
from rosphere.text.tokenizer import Tokenizer
from tests import tiny

OWN: dict[str, Declared] = {
    "tickets": Declared(kind="classification", labels=("退款", "物流", "其他")),
    "same": Declared(kind="classification", labels=("0", "1"), pair=True),
    "names": Declared(kind="entities", labels=("人", "地")),
    "reading": Declared(kind="spans", max_length=32),
    "quiz": Declared(kind="choices", max_length=32),
}
ROWS: dict[str, list[dict[str, Any]]] = {
    "tickets": [{"sentence": "一丁七丄"}, {"sentence": "丅"}],
    "same": [{"sentence1": "一丁", "sentence2": "七丄"}, {"sentence1": "一", "sentence2": "一"}],
    "names": [{"text": "一丁七丄丅丆"}, {"text": "丁丂"}],
    "reading": [
        {"id": "1", "context": "一丁七丄丅", "question": "七丁"},
        {"id": "2", "context": "丁一", "question": "一"},
    ],
    "quiz": [
        {"context": ["一丁"], "question": "七", "choice": ["丁", "丂七"]},
        {"context": ["丁"], "question": "一", "choice": ["丁", "一", "七"]},
    ],
}


def trained(task: Task, tokenizer: Tokenizer, *, means: bool = True, **changes: Any) -> TaskModel:
    model = TaskModel(tiny.encoder(len(tokenizer), seed=1, **changes), task, means=means)
    return tiny.shaken(model)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny.of_characters(tmp_path_factory.mktemp("tokenizer"), 20)


@pytest.mark.parametrize("name", list(OWN))
@pytest.mark.parametrize("means", [True, False])
def test_it_says_the_same_after_it_was_saved(name: str, means: bool, tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = trained(OWN[name].task(name), tokenizer, means=means)
    folders.save(model, tmp_path / "model", tokenizer=tokenizer.folder, own=OWN[name])
    before = torch.get_rng_state()
    again = folders.load(tmp_path / "model")
    assert torch.equal(torch.get_rng_state(), before), "loading draws nothing from the generator of others"
    assert (again.task.name, again.task.kind, again.task.max_length) == (name, model.task.kind, model.task.max_length)
    one, other = (predicting.judge(each, ROWS[name], Tokenizer(tmp_path / "model")) for each in (model, again))
    assert one == other
    assert [each.prediction for each in other] == predicting.predict(model, ROWS[name], tokenizer)


def test_probabilities_are_the_softmax_of_the_scores(tokenizer: Tokenizer) -> None:
    model = trained(OWN["tickets"].task("tickets"), tokenizer)
    found = predicting.judge(model, ROWS["tickets"], tokenizer)
    for row, judged in zip(ROWS["tickets"], found, strict=True):
        ids = torch.tensor([[tokenizer.cls, *tokenizer.ids([row["sentence"]])[0], tokenizer.sep]])
        hidden = model.encoder(ids, masks.padded(torch.ones_like(ids).float()))[0]
        expected = model.head(torch.cat((hidden[0], hidden[1:-1].mean(0)))).softmax(-1)
        assert judged.probabilities == pytest.approx(expected.tolist(), abs=1e-6)
        assert judged.prediction == model.task.labels[int(expected.argmax())]
    of_choices = predicting.judge(trained(OWN["quiz"].task("quiz"), tokenizer), ROWS["quiz"], tokenizer)
    assert [len(each.probabilities) for each in of_choices] == [2, 3]
    assert all(sum(each.probabilities) == pytest.approx(1, abs=1e-5) for each in of_choices)


def test_a_task_of_the_library_is_known_by_name_with_its_length(tokenizer: Tokenizer, tmp_path: Path) -> None:
    task = replace(named("tnews"), max_length=20)
    folders.save(trained(task, tokenizer), tmp_path, tokenizer=tokenizer.folder, own=None)
    again = folders.task_of(tmp_path)
    assert (again.name, again.labels, again.max_length) == ("tnews", named("tnews").labels, 20)


@pytest.mark.parametrize("model_type", ["roformer", "bert"])
def test_transformers_reads_the_encoder(model_type: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    task = OWN["tickets"].task("tickets")
    model = trained(task, tokenizer, model_type=model_type)
    folders.save(model, tmp_path, tokenizer=tokenizer.folder, own=OWN["tickets"])
    theirs = transformers.AutoModel.from_pretrained(tmp_path, local_files_only=True).eval()
    ids = torch.tensor([[tokenizer.cls, 17, 18, 19, tokenizer.sep]])
    with torch.no_grad():
        found = theirs(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        expected = model.encoder(ids, masks.padded(torch.ones_like(ids).float()))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert encoders.not_taken(tmp_path) == [], "nothing else lies among the weights"


def test_a_classifier_from_cls_opens_in_transformers_pipeline(tokenizer: Tokenizer, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    model = trained(OWN["tickets"].task("tickets"), tokenizer, means=False)
    folders.save(model, tmp_path, tokenizer=tokenizer.folder, own=OWN["tickets"])
    asked = transformers.pipeline("text-classification", model=str(tmp_path), device="cpu")
    for row, judged in zip(ROWS["tickets"], predicting.judge(model, ROWS["tickets"], tokenizer), strict=True):
        found = {each["label"]: each["score"] for each in asked(row["sentence"], top_k=None)}
        assert found == pytest.approx(dict(zip(model.task.labels, judged.probabilities, strict=True)), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("tickets", {"means": True}),
        ("tickets", {"model_type": "bert"}),
        ("tickets", {"hidden_act": "smooth_relu_gaussian:0.5"}),
        ("same", {}),
        ("names", {}),
    ],
)
def test_others_stay_bare(name: str, changes: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = trained(OWN[name].task(name), tokenizer, **{"means": False, **changes})
    folders.save(model, tmp_path, tokenizer=tokenizer.folder, own=OWN[name])
    assert json.loads((tmp_path / "config.json").read_text())["architectures"][0].endswith("Model")


@pytest.fixture(scope="module")
def saved(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models")
    for name, own in OWN.items():
        folders.save(trained(own.task(name), tokenizer), place / name, tokenizer=tokenizer.folder, own=own)
    return place


def said(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    app.main(["predict", *words])
    return capsys.readouterr().out.splitlines()


def test_predict_texts(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, tokenizer = folders.load(saved / "tickets"), Tokenizer(saved / "tickets")
    expected = predicting.judge(model, ROWS["tickets"], tokenizer)
    found = said(capsys, str(saved / "tickets"), "一丁七丄", "丅")
    assert found == [
        f"{judged.prediction}\t{max(judged.probabilities):.4f}\t{row['sentence']}"
        for row, judged in zip(ROWS["tickets"], expected, strict=True)
    ]
    row = json.loads(said(capsys, str(saved / "tickets"), "丅", "--json")[0])
    assert row["sentence"] == "丅" and set(row["probabilities"]) == {"退款", "物流", "其他"}


def test_predict_pairs(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text("一丁\t七丄\n一\t一\n")
    found = said(capsys, str(saved / "same"), "--file", str(file))
    assert [line.split("\t")[2:] for line in found] == [["一丁", "七丄"], ["一", "一"]]
    assert said(capsys, str(saved / "same"), "一丁", "七丄") == found[:1]


@pytest.mark.parametrize("name", list(OWN))
def test_predict_rows_of_every_kind(name: str, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({**row, "extra": 1}, ensure_ascii=False) + "\n" for row in ROWS[name]))
    found = [json.loads(line) for line in said(capsys, str(saved / name), "--file", str(file), "--json")]
    model = folders.load(saved / name)
    expected = predicting.predict(model, ROWS[name], Tokenizer(saved / name))
    kind = KINDS[model.task.kind]
    for row, guess, line in zip(ROWS[name], expected, found, strict=True):
        assert line["prediction"] == json.loads(json.dumps(kind.written(model.task, row, guess)))
        assert line["extra"] == 1 and row.items() <= line.items()


@pytest.mark.parametrize(
    ("name", "words", "text", "message"),
    [
        ("tickets", [], None, "expected texts, as arguments or by --file"),
        ("same", ["一"], None, "same: expected 2 texts, got 1"),
        ("same", [], "一\t丁\n一\n", "text 2: same: expected 2 texts, got 1"),
        (
            "reading",
            ["一"],
            None,
            "reading: expected rows in a .jsonl file, with the fields context, question; got texts",
        ),
        (
            "quiz",
            [],
            '{"context": ["一"], "question": "丁"}\n',
            "rows.jsonl:1: the field 'choice' is missing; a row of this task has context, question, choice",
        ),
        ("nothing", ["一"], None, "nothing: no such folder"),
    ],
)
def test_predict_refuses(
    name: str,
    words: list[str],
    text: str | None,
    message: str,
    saved: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if text:
        file = tmp_path / ("rows.jsonl" if text.startswith("{") else "texts.txt")
        file.write_text(text)
        words = ["--file", str(file)]
    with pytest.raises(SystemExit) as ended:
        said(capsys, str(saved / name), *words)
    assert message in str(ended.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda place: (place / "head.safetensors").unlink(), "not a task's model, head.safetensors is missing"),
        (lambda place: (place / "task.json").write_text("{}"), "task.json: written by another version"),
        (lambda place: (place / "task.json").write_text("[]"), "task.json: expected"),
        (lambda place: (place / "head.safetensors").write_bytes(b"version https://git-lfs"), "head.safetensors: "),
        (
            lambda place: (place / "task.json").write_text(
                json.dumps({"name": "tnews", "declared": None, "max_length": 9, "means": True})
            ),
            "head.safetensors: ",
        ),
    ],
)
def test_a_damaged_folder_is_one_line(spoil: Any, message: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    own = OWN["tickets"]
    folders.save(trained(own.task("tickets"), tokenizer), tmp_path, tokenizer=tokenizer.folder, own=own)
    spoil(tmp_path)
    with pytest.raises(InputError, match=message):
        folders.load(tmp_path)
