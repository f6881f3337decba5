"""Functions that mkdocs calls while it builds the site (`make docs`).

They add the pages of the repository's root and the API reference, and turn links to files outside docs/ into links to
the repository. The root of the repository is the parent of docs/.
"""

from __future__ import annotations

import ast
import os.path
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from posixpath import dirname, normpath, relpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
ROOT_PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Files of the repository's root that are pages of the site, with their names there."""

LINK = re.compile(r'(\]\(|\b(?:href|src|srcset)=")(?![a-z]+:|#|/)([^)\s"#]+)')
"""A relative link of Markdown or HTML: what comes before the target, and the target without its anchor."""


def on_config(config: MkDocsConfig) -> None:
    """Add the API reference to the navigation."""
    pages = [{name: api_page(name)} for name in documented_modules(config.extra["api"])]
    config.nav = [*(config.nav or []), {"API reference": pages}]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages of the root and one page for each documented module."""
    from mkdocs.structure.files import File

    for source, target in ROOT_PAGES.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    for name in documented_modules(config.extra["api"]):
        files.append(File.generated(config, api_page(name), content=api_content(name)))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point relative links at pages of the site or at the repository."""
    here = page.file.src_uri
    return LINK.sub(lambda found: found[1] + site_link(found[2], here, repository()), markdown)


def api_page(module: str) -> str:
    return f"api/{module}.md"


def api_content(module: str, source: Path = ROOT / "src") -> str:
    """Markdown of a module's page: all that it defines, and what it exports from other modules (`import x as x`)."""
    path = source.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    exported = [alias.name for alias in imports if alias.asname == alias.name]
    return f"::: {module}\n" + (f"    options: {{members: [{', '.join(exported)}]}}\n" if exported else "")


def documented_modules(patterns: Iterable[str], source: Path = ROOT / "src") -> list[str]:
    """Dotted names of the modules that the patterns name, in their order.

    Args:
        patterns: dotted names; `package.*` stands for every public module of a package, in alphabetical order.
        source: the folder that holds the packages.
    Raises:
        PluginError: no module has this name.
    """
    names: list[str] = []
    for pattern in patterns:
        package = pattern.removesuffix(".*")
        path = source.joinpath(*package.split("."))
        if package != pattern:
            inside = sorted(file.stem for file in path.glob("*.py") if not file.stem.startswith("_"))
            found = [f"{package}.{name}" for name in inside]
        else:
            found = [package] if (path / "__init__.py").exists() or path.with_suffix(".py").exists() else []
        if not found:
            from mkdocs.exceptions import PluginError

            raise PluginError(f"mkdocs.yml lists {pattern} under extra.api, but {path} has no such module; correct it")
        names += found
    return names


def site_link(target: str, page: str, repository: str, root: Path = ROOT) -> str:
    """The link of a page of the site for a relative link of its source.

    Args:
        target: relative link as the source has it, without an anchor.
        page: name of the page in the site.
        repository: address of the repository.
        root: folder of the repository.
    Returns:
        A relative link to a page or file of the site; else the address of the file in the repository; a link that
        leads nowhere comes back as it was, and mkdocs reports it.
    """
    source = next((name for name, page_name in ROOT_PAGES.items() if page_name == page), f"docs/{page}")
    path = normpath(f"{dirname(source)}/{target}" if dirname(source) else target)
    if (root / path / "README.md").exists():
        path = f"{path}/README.md".removeprefix("./")
    if not (root / path).exists():
        return target
    inside = ROOT_PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
    if inside and (root / path).is_file() and not path.endswith(".py"):
        return relpath(inside, dirname(page) or ".")
    return f"{repository}/{'tree' if os.path.isdir(root / path) else 'blob'}/main/{path}"


def repository() -> str:
    """The repository's address, as pyproject.toml has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"])
