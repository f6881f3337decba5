"""The page's own files: where they lie, and all of them in one."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

_STYLE = re.compile(r'<link rel="stylesheet" href="([^"]+)">')
_SCRIPT = re.compile(r'<script src="([^"]+)"></script>')
_ICON = re.compile(r'\s*<link rel="icon"[^>]*>')


def page_folder() -> Path:
    """Where index.html and what it loads lie."""
    return Path(str(resources.files("visplay.report") / "page"))


def one_file(data: Any) -> str:
    """index.html with scripts, styles and `data` inside: it loads nothing, and may run nothing but what it came with.

    Args:
        data: JSON values; the page finds them in the element `report`.
    """
    folder = page_folder()
    index = _ICON.sub("", (folder / "index.html").read_text(encoding="utf-8"))
    hashes: dict[str, list[str]] = {"script": [], "style": []}

    def inside(tag: str, name: str) -> str:
        content = (folder / name).read_text(encoding="utf-8")
        if f"</{tag}" in content:
            raise ValueError(f"{name} holds </{tag} and cannot be put into a page")
        hashes[tag].append(f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'")
        return f"<{tag}>{content}</{tag}>"

    index = _STYLE.sub(lambda found: inside("style", found[1]), index)
    # A script of this type is data that no browser runs; a "<" in it could end it, so there is none.
    block = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    first = _SCRIPT.search(index)
    if first is None:
        raise ValueError("index.html loads no script")
    before, after = index[: first.start()], index[first.start() :]
    after = _SCRIPT.sub(lambda found: inside("script", found[1]), after)
    policy = (
        f"default-src 'none'; script-src {' '.join(hashes['script'])}; style-src {' '.join(hashes['style'])}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    before = before.replace(
        '<meta charset="utf-8">',
        f'<meta charset="utf-8">\n    <meta http-equiv="Content-Security-Policy" content="{policy}">',
        1,
    )
    return f'{before}<script type="application/json" id="report">{block}</script>\n    {after}'
