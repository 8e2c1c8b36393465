"""The lessons as pages: prose, code, and under each cell what it printed and drew. Static files, relative links."""

import html
import json
import re
import struct
import sys
import tempfile
from pathlib import Path

from latex2mathml.converter import convert as to_mathml
from markdown_it import MarkdownIt
from mdit_py_plugins.anchors import anchors_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from . import cells
from .files import write

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="gallery.css">
</head>
<body>
{body}
</body>
</html>
"""


def make(paths, folder, options):
    """Runs the lessons and writes their pages and the index into `folder`; returns the exit status.

    A lesson that fails leaves its earlier page as it was. Lessons that are not among `paths` keep theirs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "gallery.css", (cells.HERE / "gallery.css").read_text(encoding="utf-8"))
    failed = []
    for path in paths:
        print(f"{path.stem:<32}", end="", flush=True)
        if error := run_into(folder, path, options):
            failed.append(path.stem)
            print("FAILED")
            print(error, file=sys.stderr)
        else:
            print(folder / f"{path.stem}.html")
    records = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("records/*.json"))]
    for position, record in enumerate(records):
        neighbours = records[position - 1] if position else None, *records[position + 1 : position + 2]
        write(folder / f"{record['name']}.html", lesson_page(record, *neighbours))
    write(folder / "index.html", index_page(records, folder))
    print(f"gallery: {folder / 'index.html'}")
    return 1 if failed else 0


def run_into(folder, path, options):
    """Runs one lesson, moves its figures and its record to `folder`, and returns the error, if any."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".run-") as scratch:
        record = cells.record(path, [*options, "--out", scratch])
        if record["error"]:
            return record["error"]
        drawn, place = Path(scratch) / path.stem, folder / "figures" / path.stem
        shown = {name: name for name in re.findall(r"^figure: .*?([^/\\]+\.png)$", "".join(record["outputs"]), re.M)}
        place.mkdir(parents=True, exist_ok=True)
        for old in place.iterdir():
            if old.name not in shown:
                old.unlink()
        for name in shown:
            (drawn / name).replace(place / name)
    sizes = {name: png_size(place / name) for name in shown}
    record |= {"options": options, "sizes": sizes, "cells": [[cell.kind, cell.text] for cell in cells.read(path)]}
    write(folder / "records" / f"{path.stem}.json", json.dumps(record))
    return None


def png_size(path):
    """Width and height in pixels, from the head of the file."""
    with path.open("rb") as file:
        return struct.unpack(">II", file.read(24)[16:])


def formula(text, options):
    """A formula in TeX as MathML, which browsers draw without help."""
    return to_mathml(text, display="block" if options["display_mode"] else "inline")


def markdown():
    """The reader of the lessons' prose: CommonMark, tables, formulas between dollars, headings one can link to."""
    reader = MarkdownIt("commonmark").enable("table")
    reader.use(dollarmath_plugin, renderer=formula, allow_digits=False)
    reader.use(anchors_plugin, min_level=2, max_level=3)
    return reader


def lesson_page(record, before=None, after=None):
    """One lesson: its cells, each followed by what it printed and drew."""
    reader, outputs, parts = markdown(), iter(record["outputs"]), []
    for kind, text in record["cells"]:
        if kind == "markdown":
            parts.append(reader.render(text).replace("<table>", '<div class="table"><table>')
                         .replace("</table>", "</table></div>"))  # fmt: skip
        else:
            parts.append(highlight(text, PythonLexer(), HtmlFormatter(cssclass="code", wrapcode=True)))
            parts.append(output(next(outputs), record))
    content = "\n".join(parts).replace("<pre>", '<pre tabindex="0">')  # scrolled by the keyboard too
    sections = re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', content)
    contents = "".join(f'<li><a href="#{anchor}">{heading}</a></li>' for anchor, heading in sections)
    heading, rest = content.split("</h1>", 1)
    body = f"""<nav class="bar"><a href="index.html">All lessons</a></nav>
<main>
{heading}</h1>
<p class="facts">{facts(record)}</p>
<details class="contents"><summary>Contents</summary><ul>{contents}</ul></details>
{rest}
</main>
<nav class="bar ends">{link(before, "previous")}{link(after, "next")}</nav>"""
    return PAGE.format(title=html.escape(record["title"]), body=body)


def link(record, relation):
    """A link to the page of a neighbouring lesson, or nothing."""
    if record is None:
        return ""
    return f'<a rel="{relation}" href="{record["name"]}.html">{html.escape(record["title"].partition(":")[0])}</a>'


def output(printed, record):
    """What a cell printed, with each "figure: PATH" line turned into the figure."""
    parts, lines = [], []

    def flush():
        if text := "\n".join(lines).strip("\n"):
            parts.append(f'<pre class="output">{html.escape(text)}</pre>')
        lines.clear()

    for line in printed.splitlines():
        if found := re.match(r"figure: .*?([^/\\]+\.png)$", line):
            flush()
            parts.append(figure(found[1], record))
        else:
            lines.append(line)
    flush()
    return "\n".join(parts)


def figure(name, record):
    """A figure at its place, and a link to it at full size."""
    width, height = record["sizes"][name]
    source = f"figures/{record['name']}/{name}"
    what = html.escape(name.removesuffix(".png").partition("_")[2].replace("_", " "))
    image = f'<img src="{source}" width="{width}" height="{height}" alt="Figure: {what}" loading="lazy">'
    return f'<figure><a href="{source}">{image}</a></figure>'


def facts(record):
    """When a run was shortened, how; how long it took; what became of the published figures."""
    length = f"run with {' '.join(record['options'])}" if record["options"] else "full run"
    verdicts = cells.tally(record["verdicts"])
    compared = f"; published figures: {verdicts}" if verdicts else ""
    return html.escape(f"{length}, {record['seconds']:.0f} s{compared}")


def index_page(records, folder):
    """A card for each lesson: a figure, the title, and how its run went."""
    cards = []
    for record in records:
        name, (title, _, subtitle) = record["name"], record["title"].partition(": ")
        cover = record["cover"]
        picture = f'<img src="figures/{name}/{cover}" alt="" loading="lazy">' if cover else ""
        cards.append(f"""<li><a href="{name}.html"><span class="picture">{picture}</span>
<span class="number">{name[:2]}</span> <strong>{html.escape(title)}</strong>
<span class="subtitle">{html.escape(subtitle)}</span>
<span class="facts">{facts(record)}</span></a></li>""")
    body = f'<main class="index"><h1>The lessons</h1>\n<ul class="cards">\n{"".join(cards)}\n</ul></main>'
    return PAGE.format(title="The lessons", body=body)
