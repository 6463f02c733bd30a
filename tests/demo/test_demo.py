"""The local page: every answer against the library itself, what it refuses, many at once, and its command."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient

from rosphere.cli import models
from rosphere.clue import folder as task_folders
from rosphere.clue import predicting
from rosphere.clue.declared import Declared
from rosphere.clue.model import TaskModel
from rosphere.demo import answers, server
from rosphere.demo.answers import Answers
from rosphere.encoder import folder as folders
from rosphere.errors import InputError
from rosphere.similarity import diversity, encoding, generation
from rosphere.text.tokenizer import Tokenizer
from rosphere.vae import decoding
from tests import tiny
from tests.drill import models as builders
from tests.test_house import ROOT

OWN = {
    "same": Declared(kind="classification", labels=("0", "1"), pair=True),
    "tickets": Declared(kind="classification", labels=("退款", "物流", "其他")),
}
LINES = ["一丁七", "丄丅丆", "丂七丄", "一丁丂"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence encoder, a text VAE and a language model, as the stages leave them, and what is none of these."""
    place = tmp_path_factory.mktemp("place")
    builders.own(place)
    builders.latent(place)
    found = place / "models"
    (found / "vmf_vae").mkdir(parents=True)
    (place / "own").rename(found / "roformer_sim")
    (place / "vae").rename(found / "vmf_vae" / "vmf")
    language = models.sentence_encoder(found / "roformer_sim")[0].language
    folders.save(language, found / "pretrain_wide", tokenizer=place / "pieces")
    (found / "pretrain_longer").mkdir()  # of a control that is not wanted
    for name, own in OWN.items():
        model = TaskModel(tiny.encoder(35, seed=2), own.task(name), means=True)
        saved = found / "evaluate" / name
        task_folders.save(tiny.shaken(model), saved, tokenizer=place / "pieces", own=own)  # type: ignore[arg-type]
    return found


@pytest.fixture(scope="module")
def known(folder: Path) -> Answers:
    return Answers.of(folder)


@pytest.fixture
def client(known: Answers) -> Iterator[TestClient]:
    with TestClient(server.application(known), base_url="http://127.0.0.1") as found:
        yield found


def test_an_encoder_without_a_head_is_compared_and_asked_for_no_gaps(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "models"
    language = folders.load(folder / "pretrain_wide")
    language.bare = True
    folders.save(language, place / "pretrain_wide", tokenizer=folder / "pretrain_wide")
    found = Answers.of(place)
    assert (found.found.bare, found.found.languages, found.found.all) == (("pretrain_wide",), (), ("pretrain_wide",))
    [row] = found.similarity("一", "一")
    assert (row["name"], row["cosine"]) == ("pretrain_wide", 1.0)
    with pytest.raises(InputError, match="language: there is none here"):
        found.guesses("一[MASK]", "pretrain_wide", 3)


def test_models_are_found_by_what_they_are(client: TestClient, folder: Path) -> None:
    found = client.get("/api/models").json()
    assert (found["encoders"], found["languages"]) == (["roformer_sim"], ["pretrain_wide"])
    assert found["writers"] == ["roformer_sim"]
    assert (found["vaes"], found["folder"]) == (["vmf_vae/vmf"], str(folder))
    assert found["fields"] == {"evaluate/same": ["sentence1", "sentence2"], "evaluate/tickets": ["sentence"]}


def test_a_models_card_is_shown_without_its_front_matter(client: TestClient, folder: Path) -> None:
    readme = folder / "roformer_sim" / "README.md"
    readme.write_text("---\nlicense: mit\n---\n\n# roformer_sim\nText\n---\nmore", encoding="utf-8")
    assert client.post("/api/card", json={"model": "roformer_sim"}).json() == {
        "text": "# roformer_sim\nText\n---\nmore"
    }
    readme.write_text("# as it is", encoding="utf-8")
    assert client.post("/api/card", json={"model": "roformer_sim"}).json() == {"text": "# as it is"}
    readme.unlink()
    assert "has no card" in client.post("/api/card", json={"model": "roformer_sim"}).json()["error"]


def test_no_other_file_is_a_card(client: TestClient) -> None:
    answer = client.post("/api/card", json={"model": "../own"})
    assert (answer.status_code, answer.json()["error"].split(":")[0]) == (422, "model")


def test_one_models_folder_and_one_without_any(folder: Path, tmp_path: Path) -> None:
    assert Answers.of(folder / "roformer_sim").found.encoders == (".",)
    with pytest.raises(InputError, match="no finished model in it"):
        Answers.of(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        Answers.of(tmp_path / "nowhere")


def test_search_gives_the_nearest_lines(client: TestClient, folder: Path) -> None:
    index = client.post("/api/index", json={"lines": LINES, "encoder": "roformer_sim"}).json()
    found = client.post("/api/search", json={"index": index["index"], "query": "一丁", "count": 3}).json()["results"]
    vectors = encoding.encode(*models.sentence_encoder(folder / "roformer_sim"), [*LINES, "一丁"])
    scores = vectors[:-1] @ vectors[-1]
    order = np.argsort(-scores, kind="stable")[:3]
    assert [row["line"] for row in found] == [LINES[n] for n in order]
    assert [row["number"] for row in found] == [int(n) + 1 for n in order]
    assert [row["cosine"] for row in found] == pytest.approx(scores[order], abs=1e-4)
    assert (index["lines"], index["note"]) == (4, None)


def test_lines_longer_than_what_is_compared_are_told(client: TestClient) -> None:
    note = client.post("/api/index", json={"lines": ["一" * 100, "丁"], "encoder": "roformer_sim"}).json()["note"]
    assert re.fullmatch(r"note: of 1 of 2 texts the first \d+ tokens are compared", note)


def test_lines_that_were_let_go_are_asked_for_again(client: TestClient, known: Answers) -> None:
    first = client.post("/api/index", json={"lines": LINES, "encoder": "roformer_sim"}).json()["index"]
    for number in range(answers.INDEXES):
        client.post("/api/index", json={"lines": LINES[: number + 1], "encoder": "roformer_sim"})
    gone = client.post("/api/search", json={"index": first, "query": "一"})
    assert gone.status_code == 200, "the fourth is the first: it was asked for least long ago"
    client.post("/api/index", json={"lines": ["七"], "encoder": "roformer_sim"})
    oldest = client.post("/api/index", json={"lines": LINES[:1], "encoder": "roformer_sim"}).json()["index"]
    for lines in (["丄"], ["丅"], ["丆"], ["丁"]):
        client.post("/api/index", json={"lines": lines, "encoder": "roformer_sim"})
    gone = client.post("/api/search", json={"index": oldest, "query": "一"})
    assert (gone.status_code, gone.json()) == (
        410,
        {"error": "index: these lines are not in memory any more; send them again"},
    )


def test_paraphrases_are_the_librarys(client: TestClient, folder: Path) -> None:
    asked = {"text": "一丁七", "encoder": "roformer_sim", "count": 4, "freely": True, "seed": 3}
    found = client.post("/api/paraphrase", json=asked).json()["results"]
    model, tokenizer = models.sentence_encoder(folder / "roformer_sim")
    expected = generation.paraphrases(model, tokenizer, "一丁七", keep=4, seed=3, edits=False)
    assert [row["text"] for row in found] == [text for text, _ in expected]
    assert [row["cosine"] for row in found] == pytest.approx([cosine for _, cosine in expected], abs=1e-4)
    distances = [1 - diversity.overlap("一丁七", text) for text, _ in expected]
    assert [row["distance"] for row in found] == pytest.approx(distances, abs=1e-4)


def test_similarity_by_every_model(client: TestClient, folder: Path) -> None:
    found = client.post("/api/similarity", json={"first": "一丁", "second": "七丄"}).json()["results"]
    one, other = encoding.encode(*models.sentence_encoder(folder / "roformer_sim"), ["一丁", "七丄"])
    language, tokenizer = folders.load(folder / "pretrain_wide"), Tokenizer(folder / "pretrain_wide")
    means = encoding.mean_pooled(language, tokenizer, ["一丁", "七丄"])
    assert [(row["name"], row["kind"]) for row in found] == [("roformer_sim", "encoder"), ("pretrain_wide", "means")]
    assert [row["cosine"] for row in found] == pytest.approx([one @ other, means[0] @ means[1]], abs=1e-4)


def test_the_way_between_two(client: TestClient, folder: Path) -> None:
    asked = {"first": "一丁", "last": "七丄", "vae": "vmf_vae/vmf", "steps": 4}
    found = client.post("/api/path", json=asked).json()["results"]
    expected = decoding.interpolate(*models.text_vae(folder / "vmf_vae" / "vmf"), "一丁", "七丄", steps=4)
    assert [(row["share"], row["text"]) for row in found] == [(round(share, 4), text) for share, text in expected]


def test_guesses_are_the_likeliest_tokens(client: TestClient, folder: Path) -> None:
    asked = {"text": "一[MASK]七[MASK]", "language": "pretrain_wide", "count": 3}
    found = client.post("/api/guess", json=asked).json()["results"]
    model, t = folders.load(folder / "pretrain_wide").eval(), Tokenizer(folder / "pretrain_wide")
    row = [t.cls, *t.ids(["一"])[0], t.mask, *t.ids(["七"])[0], t.mask, t.sep]
    with torch.inference_mode():
        chances = model(torch.tensor([row]))[0].softmax(-1)
    for place, tokens in zip((2, 4), found, strict=True):
        best = chances[place].topk(3)
        assert [each["token"] for each in tokens] == [t.backend.id_to_token(int(n)) for n in best.indices]
        assert [each["probability"] for each in tokens] == pytest.approx(best.values.tolist(), abs=1e-4)


def test_more_tokens_than_a_model_has_positions_are_refused(tmp_path: Path) -> None:
    builders.published(tmp_path)
    known = Answers.of(tmp_path / "bert")
    assert len(known.guesses("一" * 37 + "[MASK]", ".", 3)[0]) == 3
    with pytest.raises(InputError, match="^text: expected at most 38 tokens, got 39$"):
        known.guesses("一" * 38 + "[MASK]", ".", 3)


def test_a_tasks_model_says_what_it_says_to_files(client: TestClient, folder: Path) -> None:
    found = client.post("/api/predict", json={"task": "evaluate/tickets", "texts": ["一丁"]}).json()
    model, tokenizer = models.task_model(folder / "evaluate" / "tickets")
    judged = predicting.judge(model, [{"sentence": "一丁"}], tokenizer)[0]
    chances = dict(zip(model.task.labels, judged.probabilities, strict=True))
    assert found["answer"] == judged.prediction == found["probabilities"][0]["label"]
    assert {row["label"]: row["probability"] for row in found["probabilities"]} == pytest.approx(chances, abs=1e-4)
    pair = client.post("/api/predict", json={"task": "evaluate/same", "texts": ["一丁", "七"]})
    assert pair.json()["answer"] in ("0", "1")


@pytest.mark.parametrize(
    ("address", "asked", "status", "said"),
    [
        ("similarity", {"first": "", "second": "一"}, 422, "first: String should have at least 1 character"),
        ("similarity", {"first": "一" * 501, "second": "一"}, 422, "first: String should have at most 500 characters"),
        ("similarity", {"first": "一"}, 422, "second: Field required"),
        ("similarity", {"first": 1, "second": "一"}, 422, "first: Input should be a valid string"),
        ("index", {"lines": [], "encoder": "roformer_sim"}, 422, "lines: List should have at least 1 item"),
        (
            "index",
            {"lines": ["一", ""], "encoder": "roformer_sim"},
            422,
            "lines: expected 1 to 500 characters in line 2, got 0",
        ),
        (
            "index",
            {"lines": ["一"], "encoder": "../../etc"},
            422,
            "encoder: expected one of roformer_sim, got '../../etc'",
        ),
        (
            "path",
            {"first": "一", "last": "一", "vae": "vmf_vae/vmf", "steps": 1},
            422,
            "steps: Input should be greater",
        ),
        ("guess", {"text": "一", "language": "pretrain_wide"}, 422, "text: expected [MASK] in it"),
        ("predict", {"task": "evaluate/same", "texts": ["一"]}, 422, "same: expected 2 texts, got 1"),
        ("predict", {"task": "evaluate/tickets", "texts": [""]}, 422, "texts: expected 1 to 500 characters, got 0"),
        ("predict", {"task": "pretrain_wide", "texts": ["一"]}, 422, "task: expected one of evaluate/same"),
        ("search", {"index": "0" * 16, "query": "一"}, 410, "index: these lines are not in memory any more"),
    ],
)
def test_bad_requests_are_refused_in_a_line(
    client: TestClient, address: str, asked: dict[str, object], status: int, said: str
) -> None:
    found = client.post(f"/api/{address}", json=asked)
    assert (found.status_code, found.json()["error"][: len(said)]) == (status, said)


def test_garbage_and_megabytes_are_refused(client: TestClient) -> None:
    json_head = {"content-type": "application/json"}
    for garbage in (
        b"\x00\xff{",
        b"[",
        b"[]",
        b'{"first": "\xed\xa0\x80", "second": "a"}',
        b'{"first": "\\ud800", "second": "a"}',
    ):
        found = client.post("/api/similarity", content=garbage, headers=json_head)
        assert found.status_code in (400, 422) and found.json()["error"], garbage
    assert client.get("/api/nothing").json() == {"error": "request: Not Found"}
    whole = client.post("/api/similarity", content=b"x" * (10 << 20), headers=json_head)
    assert (whole.status_code, whole.json()) == (413, {"error": "request: expected at most 4 MiB"})
    parts = client.post("/api/similarity", content=(b"x" * (1 << 20) for _ in range(10)), headers=json_head)
    assert parts.status_code == 413, "in parts, whose number no head says"
    assert client.get("/api/models").status_code == 200


def test_nobody_elses_page_may_ask(client: TestClient) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    simple = {"content-type": "text/plain"}  # what a form of another page can send without being asked
    assert client.post("/api/similarity", content='{"first": "一", "second": "一"}', headers=simple).status_code == 422


def test_the_page_is_whole_and_asks_nobody_else(client: TestClient) -> None:
    page = client.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for address in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
        assert client.get(address).status_code == 200
    texts = [page.text, client.get("/page.js").text, client.get("/page.css").text]
    assert not any("http://" in each or "https://" in each or "innerHTML" in each for each in texts)
    ids = set(re.findall(r'id="([\w-]+)"', page.text))
    assert {*re.findall(r'(?:for|aria-controls|aria-labelledby)="([\w-]+)"', page.text)} <= ids


def test_both_languages_say_the_same(client: TestClient) -> None:
    script = client.get("/page.js").text
    english, chinese = re.search(r"en: \{(.*?)\n  \},\n  zh: \{(.*?)\n  \},", script, re.DOTALL).groups()  # type: ignore[union-attr]
    keys = re.compile(r"(?:^\s*|, )(\w+): ", re.MULTILINE)
    of_english = re.sub(r"examples: \{.*\}", "", english, flags=re.DOTALL)
    words = {*keys.findall(re.sub(r'"[^"]*"|`[^`]*`', '""', of_english))}
    assert words == {*keys.findall(re.sub(r'"[^"]*"|`[^`]*`', '""', chinese))}
    assert {*re.findall(r'data-say="(\w+)"', client.get("/").text)} <= words


def test_two_hundred_at_once(client: TestClient) -> None:
    asked = [{"first": "一丁", "second": LINES[n % 4]} for n in range(200)]
    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(lambda each: client.post("/api/similarity", json=each), asked))
    assert {each.status_code for each in found} == {200}
    assert len({each.text for each in found}) == 4


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"127.0.0.1:{port}: .*; --port and --host choose another"):
            server.listening("127.0.0.1", port)


@pytest.mark.integration
def test_the_command_serves_until_it_is_told(folder: Path) -> None:
    command = [sys.executable, "-m", "rosphere", "try", str(folder), "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        late = threading.Timer(120, process.kill)
        late.start()
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[0]
            with urllib.request.urlopen(f"{address}api/models", timeout=60) as response:
                assert json.load(response)["encoders"] == ["roformer_sim"]
            process.terminate()
            assert process.wait() in (0, -15)
        finally:
            late.cancel()
            process.kill()


def test_models_that_have_come_since_are_found(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "roformer_sim", tmp_path / "roformer_sim")
    with TestClient(server.application(Answers.of(tmp_path)), base_url="http://127.0.0.1") as client:
        assert client.get("/api/models").json()["tasks"] == []
        shutil.copytree(folder / "evaluate" / "tickets", tmp_path / "evaluate" / "tickets")
        assert client.get("/api/models").json()["tasks"] == ["evaluate/tickets"]
        assert client.post("/api/predict", json={"task": "evaluate/tickets", "texts": ["一丁"]}).status_code == 200
