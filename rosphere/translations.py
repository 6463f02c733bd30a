"""Texts in another language: a catalogue of GNU gettext, kept as the .po file that people read and edit."""

from __future__ import annotations

from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path


def read(path: Path) -> GNUTranslations:
    """The .po file, compiled in memory: there is no binary file beside it that could be older than it.

    Raises:
        babel.messages.pofile.PoFileError: the file is malformed.
    """
    from babel.messages import mofile, pofile  # a tenth of a second, which English does not cost

    with path.open("rb") as file:
        catalogue = pofile.read_po(file, abort_invalid=True)
    compiled = BytesIO()
    mofile.write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)
