"""From texts to a corpus: the same bytes however it is done, and those of a plain loop in memory."""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from rosphere.errors import Interrupted
from rosphere.preparation.documents import distinct, finished, parts, tokenising
from rosphere.preparation.documents.screening import Found, Screening, screened
from rosphere.preparation.documents.workers import Workers
from rosphere.text import corpus, sentences
from rosphere.text.screening import HeldOutTexts, Screen
from rosphere.text.tokenising import tokenise
from rosphere.text.tokenizer import Tokenizer
from tests import tiny
from tests.waiting import eventually

HELD_OUT = {"dev": ["怎么退货？"], "test": ["今天天气好"]}
ASKED = Screening(minimum=4, held_out=HELD_OUT, least=2)
LENGTHS = (4, 12)


def texts(count: int = 300) -> list[str]:
    """With short ones, repeated ones, ones that are held out, and one larger than a part."""
    draw = random.Random(5)
    made = []
    for n in range(count):
        said = ["怎么退货？", f"我在第{n % 70}家店买了手机。", "质量还不错！", "今天天气好。", f"用了{n % 9}天", "短"]
        made.append("".join(draw.sample(said, draw.randrange(1, 5))))
    made[count // 2] = "一丁七丄。" * 60
    return made


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny.tokenizer(tmp_path_factory.mktemp("tokenizer"), texts())


def prepared(given: Sequence[str], folder: Path, pieces: Tokenizer, pool: Workers) -> Found:
    """Screened and tokenised: ``folder``/corpus."""
    found = screened([given], ASKED, folder / "work/documents", pool)
    options = {"whole_words": True, "sentence_characters": LENGTHS, "split": "train"}
    tokenising.write(found.documents, folder / "corpus", pieces, folder / "work/tokens", pool, **options)
    return found


def content(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in (folder / "corpus").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def expected(pieces: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """By a loop over lists."""
    screen, seen = Screen(HeldOutTexts(HELD_OUT, least=2), minimum=4), set()
    left = [each for each in map(screen, texts()) if each is not None]
    kept = [each.text for each in left if not (each.name in seen or seen.add(each.name))]  # type: ignore[func-returns-value]
    split = itertools.chain.from_iterable(map(sentences.split, kept))
    short = list(dict.fromkeys(each for each in split if LENGTHS[0] <= len(each) <= LENGTHS[1]))
    folder = tmp_path_factory.mktemp("expected")
    for name, of, words in (("train", kept, True), ("sentences-train", short, False)):
        usable = [each for each in tokenise(of, pieces, words) if len(each[0])]
        corpus.write(usable, folder / "corpus" / name, vocab_size=len(pieces))
    assert 100 < len(kept) < 300 and len(short) > 70
    return content(folder)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few documents, buckets of a few names."""
    monkeypatch.setattr(parts, "CHARACTERS", 200)
    monkeypatch.setattr(distinct, "BUCKET", 16)


@pytest.mark.parametrize("characters", [1, 200, 1 << 20])
def test_the_size_of_parts_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: Tokenizer, expected: dict[str, bytes], characters: int
) -> None:
    monkeypatch.setattr(parts, "CHARACTERS", characters)
    with Workers(count=1) as pool:
        found = prepared(texts(), tmp_path, pieces, pool)
    assert content(tmp_path) == expected
    screen = Screen(HeldOutTexts(HELD_OUT, least=2), minimum=4)
    left = [each for each in map(screen, texts()) if each is not None]
    first = {each.name: each for each in reversed(left)}.values()
    assert found.counts == {
        **screen.counts,
        "kept": len(first),
        "changed": 0,
        "dropped_duplicate": len(left) - len(first),
        "cut_held_out": sum(each.cut > 0 for each in first),
        "cut_sentences": sum(each.cut for each in first),
    }
    assert found.held_out["found"] == {name: {"exact": count} for name, count in screen.found.items()}
    assert len(list(found.documents)) == len(found.documents) == len(first)


def test_two_workers_make_what_one_makes(
    tmp_path: Path, small: None, pieces: Tokenizer, expected: dict[str, bytes]
) -> None:
    seen: list[int] = []
    with Workers(count=2) as pool:
        found = screened([texts()], ASKED, tmp_path / "work/documents", pool, reached=seen.append)
        options = {"whole_words": True, "sentence_characters": LENGTHS, "split": "train"}
        tokenising.write(found.documents, tmp_path / "corpus", pieces, tmp_path / "work/tokens", pool, **options)
    assert content(tmp_path) == expected
    assert seen == list(range(1, len(found.documents.parts) + 1)) and len(seen) > 20


def test_what_is_finished_is_not_done_again(
    tmp_path: Path, small: None, pieces: Tokenizer, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after every seventh job, and once with a result cut off in the middle."""
    done: list[str] = []
    plain = finished.Keeping.__call__

    def counted(self, job):  # type: ignore[no-untyped-def]
        fresh = finished._there(job) is None
        outcome = plain(self, job)
        done.extend([str(job.stem)] if fresh else [])
        return outcome

    monkeypatch.setattr(finished.Keeping, "__call__", counted)
    stops = 0
    for attempt in itertools.count():
        before = len(done)
        with Workers(count=1, stopping=lambda before=before: len(done) >= before + 7) as pool:  # type: ignore[misc]
            try:
                prepared(texts(), tmp_path, pieces, pool)
                break
            except Interrupted:
                stops += 1
        if attempt == 1:
            broken = Path(f"{done[-1]}.json")
            broken.write_bytes(broken.read_bytes()[:20])
            done.pop()
    assert stops > 5 and len(done) == len(set(done))
    assert content(tmp_path) == expected


@pytest.mark.parametrize(
    "changed",
    [
        [text.replace("质量还不错！", "质量还不错？") for text in texts()],  # the same letters, other tokens
        [text.replace("。", "！") for text in texts()],
    ],
)
def test_text_of_the_same_letters_is_other_text(
    tmp_path: Path, small: None, pieces: Tokenizer, changed: list[str]
) -> None:
    with Workers(count=1) as pool:
        prepared(texts(), tmp_path / "one", pieces, pool)
        prepared(changed, tmp_path / "one", pieces, pool)
        prepared(changed, tmp_path / "two", pieces, pool)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_another_held_out_set_is_read_by_a_process_that_lives_on(tmp_path: Path, small: None) -> None:
    with Workers(count=1) as pool:
        for held in ("今天天气好。", "质量还不错！"):
            asked = Screening(minimum=4, held_out={"test": [held]}, least=2)
            found = screened([texts()], asked, tmp_path, pool)
            assert not [text for text in found.documents if held in sentences.split(text)]
            assert found.counts["cut_sentences"] > 0


def test_what_was_written_in_between_is_not_taken_for_the_first(tmp_path: Path) -> None:
    """Killed after another run's file took the place of the first one's and before its record did."""

    def write(stem: Path, given: str) -> dict[str, str]:
        path = stem.with_name(f"{stem.name}.txt")
        path.write_text(given)
        if given == "two":
            raise Interrupted
        return {"file": str(path)}

    def made(given: str) -> str:
        job = finished.Job(stem=tmp_path / "0", key=given, given=given)
        return Path(finished.Keeping(function=write)(job)["file"]).read_text()

    assert made("one") == "one"
    with pytest.raises(Interrupted):
        made("two")
    assert made("one") == "one"
    (tmp_path / "0.txt").unlink()
    assert made("one") == "one", "a record without its file is none"


def test_other_text_takes_nothing_of_what_was_finished(tmp_path: Path, small: None, pieces: Tokenizer) -> None:
    with Workers(count=1) as pool:
        prepared(texts(100), tmp_path / "one", pieces, pool)
        prepared(texts()[50:], tmp_path / "one", pieces, pool)
        prepared(texts()[50:], tmp_path / "two", pieces, pool)
    assert content(tmp_path / "one") == content(tmp_path / "two")


KILLED = """
import json, sys
from pathlib import Path
from rosphere.preparation.documents import distinct, parts
from rosphere.preparation.documents.workers import Workers
from rosphere.text.tokenizer import Tokenizer
from tests.preparation.documents.test_documents import prepared, texts
if __name__ == "__main__":
    parts.CHARACTERS, distinct.BUCKET = 200, 16
    with Workers(sys.argv[3], 2) as pool:
        prepared(texts(), Path(sys.argv[1]), Tokenizer(Path(sys.argv[2])), pool)
"""


@pytest.mark.integration
def test_killed_again_and_again_it_ends_with_the_same(
    tmp_path: Path, pieces: Tokenizer, expected: dict[str, bytes]
) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(tmp_path), str(pieces.folder), "local"]
    env = {"PYTHONPATH": str(Path(__file__).resolve().parents[3]), "PATH": ""}
    draw, killed = random.Random(1), 0
    for _ in range(10):
        with subprocess.Popen(command, env=env, start_new_session=True, stderr=subprocess.DEVNULL) as process:
            begun = len(list(tmp_path.rglob("*.json")))
            deadline = time.monotonic() + 60
            more = draw.randrange(1, 8)
            while len(list(tmp_path.rglob("*.json"))) < begun + more and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)  # not its workers: they end by themselves
                killed += 1
    subprocess.run(command, env=env, check=True, timeout=120)
    assert killed >= 5 and content(tmp_path) == expected


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler of Dask's with two workers, each a process of one thread."""
    env = {"PYTHONPATH": str(Path(__file__).resolve().parents[3]), "PATH": "", "HOME": str(tmp_path)}
    said = tmp_path / "scheduler.json"
    quiet = {"env": env, "cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(said)]
    worker = ["worker", "--scheduler-file", str(said), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    with ExitStack() as stack:
        started = []
        for words in (scheduler, worker, worker):
            command = [sys.executable, "-m", "dask", *words]
            started.append(stack.enter_context(subprocess.Popen(command, **quiet)))  # type: ignore[call-overload]
            stack.callback(started[-1].kill)
            eventually(said.exists, "the scheduler is there", 60)
        yield json.loads(said.read_text())["address"], started[1:]


@pytest.mark.integration
def test_a_cluster_that_loses_a_worker_makes_the_same(
    tmp_path: Path, small: None, pieces: Tokenizer, expected: dict[str, bytes], cluster
) -> None:
    address, running = cluster
    with Workers(address) as pool:
        assert pool._client is not None
        eventually(lambda: len(pool._client.nthreads()) == 2, "both workers are there", 60)
        lost: list[int] = []

        def reached(done: int) -> None:
            if done == 10:
                running[0].kill()
                lost.append(running[0].wait())

        found = screened([texts()], ASKED, tmp_path / "work/documents", pool, reached=reached)
        options = {"whole_words": True, "sentence_characters": LENGTHS, "split": "train"}
        tokenising.write(found.documents, tmp_path / "corpus", pieces, tmp_path / "work/tokens", pool, **options)
    assert lost and content(tmp_path) == expected
