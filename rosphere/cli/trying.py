"""rosphere try: a local page to try finished models on."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from rosphere.errors import InputError

NEEDED = ("fastapi", "uvicorn")
Folder = Annotated[Path, typer.Argument(help="a folder with models, or one model's folder", show_default=True)]
Host = Annotated[
    str, typer.Option(help="an address of this machine; others reach the page by one that is not loopback")
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")]


def trial(folder: Folder = Path("models"), host: Host = "127.0.0.1", port: Port = 8765) -> None:
    """A page on this machine to try models on: search, paraphrases, similarity, ways, gaps, tasks and cards."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(f"try: {' and '.join(missing)} not installed; `pip install 'rosphere[try]'` has what it needs")
    from rosphere.demo import server
    from rosphere.demo.answers import Answers

    answers = Answers.of(folder)
    place = server.listening(host, port)
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{place.getsockname()[1]}/      Ctrl-C ends it", flush=True)
    with place:
        server.serve(answers, place, hosts=(*server.LOOPBACK, shown))
