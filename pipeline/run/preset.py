"""Sets of sizes and budgets, written into params.yaml: what the default is too small for.

    python -m pipeline.run.preset NAME [-S KEY=VALUE ...]      such as  -S 'prepare.local.text=[texts/*.jsonl]'
    python -m pipeline.run.preset                              lists them

A preset (pipeline/run/presets/NAME.yaml) holds the keys that it changes and no others; -S changes further ones, values
in YAML. The result is looked over as `pipeline.run.check` does before params.yaml is replaced; comments stay where they
are.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.run import check, renamed
from pipeline.run import settings as declared
from pipeline.workspace import paths, yaml_file
from rosphere.errors import UNUSABLE, InputError, message

FOLDER = Path(__file__).parent / "presets"
PARAMS = Path("params.yaml")
WIDE = 4096  # columns: ruamel breaks no line


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def apply(name: str, settings: Sequence[str] = (), params: Path = PARAMS) -> list[str]:
    """Writes the preset and the settings KEY=VALUE into ``params``; a line for every value that changed.

    Raises:
        InputError: no such preset, a key that params.yaml does not have, a configuration that cannot work; params.yaml
            is then as it was.
    """
    if name not in names():
        raise InputError(f"no preset {name!r}; there are {', '.join(names())}")
    yaml = _yaml()
    document = yaml.load(params.read_text(encoding="utf-8"))
    declared.refuse_renamed(params, document)
    chosen = [*_leaves(yaml_file.read(FOLDER / f"{name}.yaml"), document), *map(_setting, settings)]
    changes = [change for words, value in chosen if (change := _set(document, words, value, params))]
    draft = params.with_name(f".{params.name}.part")
    text = io.StringIO()
    yaml.dump(document, text)
    draft.write_text(text.getvalue(), encoding="utf-8")
    try:
        check.check(draft, everything=False)
        draft.replace(params)
    except (InputError, *UNUSABLE) as error:
        raise InputError(message(error).replace(str(draft), str(params))) from error
    finally:
        draft.unlink(missing_ok=True)
    return changes


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width, yaml.preserve_quotes = WIDE, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(
        type(None), lambda made, _: made.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _leaves(partial: Mapping[str, Any], document: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[list[str], Any]]:
    """Every value with its place; a mapping that params.yaml does not have yet (a size) is a value as a whole."""
    for key, value in partial.items():
        there = document.get(key) if isinstance(document, Mapping) else None
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            yield from _leaves(value, there, (*above, key))
        else:
            yield [*above, key], value


def _setting(text: str) -> tuple[list[str], Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(f"-S: expected KEY=VALUE, got {text!r}")
    try:
        return key.split("."), YAML(typ="safe", pure=True).load(value)
    except YAMLError as error:
        raise InputError(f"-S {key}: expected a value in YAML, got {value!r}") from error


def _set(document: Any, words: Sequence[str], value: Any, params: Path) -> str | None:
    section, place = document, ".".join(words)
    if place in renamed.RENAMED:
        raise InputError(f"{params}: {renamed.message(place)}")
    for word in words[:-1]:
        if not isinstance(section, Mapping) or word not in section:
            raise InputError(f"{params}: {place}: there is no {word!r}")
        section = section[word]
    free = words[:-1] in (["sizes"], ["prepare", "local", "graded"])  # whose keys are names that a person chooses
    if not isinstance(section, Mapping) or (words[-1] not in section and not free):
        raise InputError(f"{params}: {place}: there is no such key")
    before = section.get(words[-1])
    if before == value:
        return None
    section[words[-1]] = value  # type: ignore[index]
    return f"{place}: {before} -> {value}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=names())
    parser.add_argument("-S", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    if options.name is None:
        print("\n".join(names()))
        return
    try:
        paths.enter()
        print("\n".join(apply(options.name, options.settings)) or "params.yaml has all of this already")
    except (InputError, *UNUSABLE) as error:
        sys.exit(f"error: {message(error)}")


if __name__ == "__main__":
    main()
