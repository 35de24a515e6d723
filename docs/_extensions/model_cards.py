"""Sphinx extension: write the facts on published weights from their registry.

It replaces the lines ``<!-- facts: NAME -->`` of a page.
"""

import re
from urllib.parse import urlsplit

from mxnet_audio import weights

MARKER = re.compile(r"^<!-- facts: (\w+) -->$", re.MULTILINE)


def facts(record: weights.Record) -> list[tuple[str, str]]:
    """List the facts on published weights."""
    package = record.package
    files = []
    for file in record.files:
        size = "" if file.size is None else f", {file.size:,} bytes"
        files += [("file", f"`{file.name}`{size}")]
        files += [(title, f"`{value}`") for title, value in (("SHA-256", file.sha256), ("MD5", file.md5)) if value]
        files += [("from", f"[{urlsplit(url).netloc}]({url})") for url in file.urls]
    return [
        ("weights", record.summary),
        ("domain", record.domain),
        ("features", record.front_end),
        ("network", f"`{record.network}`"),
        ("embeddings", ", ".join(f"`{name}` {width}" for name, width in record.embeddings.items())),
        ("published classes", str(record.n_tags or "none")),
        ("licence", record.licence + (f"; {record.remark}" if record.remark else "")),
        ("size", record.size_text),
        *files,
        *[("from", _on_hub(name)) for name in (record.repository, *record.other_repositories) if name],
        *([("from", f"`{package.folder}` of {package.distribution} {package.version}")] if package else []),
        ("get them", f"`{record.command}`"),
    ]


def _on_hub(repository: str) -> str:
    return f"[{repository}](https://huggingface.co/{repository})"


def card(record: weights.Record) -> str:
    """Return a table of the facts, and the citation, in Markdown."""
    rows = [f"| {fact} | {text} |" for fact, text in facts(record)]
    table = "\n".join(["| fact | |", "| --- | --- |", *rows])
    return f"{table}\n\n:::{{dropdown}} Cite\n```text\n{record.citation}\n```\n:::"


def fill(app, docname: str, source: list[str]) -> None:
    """Replace the markers of a page."""
    source[0] = MARKER.sub(lambda match: card(weights.record(match[1])), source[0])


def setup(app) -> dict:
    """Register the extension."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True}
