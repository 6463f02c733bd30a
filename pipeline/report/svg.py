"""From matplotlib's SVG to one that a page can hold: themed, named, described, and the same bytes every time."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

INK = "#010203"  # drawn in this colour, lines and letters take that of the text around them
FONTS = "system-ui, 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
# Letters stay letters, laid out by the measures of the one font that comes with matplotlib, wherever this runs.
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rosphere",
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.13,
    "grid.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 4,
}
METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))  # none of them: a date would change the bytes


def finish(path: Path, *, title: str, description: str) -> None:
    """Rewrites the file that matplotlib wrote: its ids begin with its name, for many share a page."""
    text = path.read_text(encoding="utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = text.replace("'DejaVu Sans'", FONTS)
    text = text.replace(INK, "currentColor")
    name = path.stem
    text = text.replace("*{", f"#{name}-alone *{{")  # its own style is for itself alone
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(url\(|href=")#', rf"\1#{name}-", text)
    head = f'<title id="{name}-title">{html.escape(title)}</title>'
    head += f'<desc id="{name}-desc">{html.escape(description)}</desc>'
    # Alone in a window, the letters follow the reader's theme too.
    head += f"<style>#{name}-alone {{ color: #1c2126; }}"
    head += f" @media (prefers-color-scheme: dark) {{ #{name}-alone {{ color: #e6e4e0; }} }}</style>"
    labelled = f'<svg id="{name}-alone" role="img" aria-labelledby="{name}-title {name}-desc" '
    opening = re.compile(r"<svg ([^>]*)>")
    text = opening.sub(lambda found: labelled + re.sub(r'\s*\bid="[^"]*"', "", found[1]) + ">\n" + head, text, count=1)
    path.write_text(text, encoding="utf-8")
