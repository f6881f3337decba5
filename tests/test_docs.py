"""Links between the Markdown files, the pages of `make docs`, and the modules of its API reference."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.mkdocs_hooks import LINK, api_content, documented_modules, site_link

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.md")])
REPOSITORY = "https://example.org/repository"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files(page: Path) -> None:
    targets = [target for _, target in LINK.findall(page.read_text(encoding="utf-8"))]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_navigation_names_every_page() -> None:
    listed = set(re.findall(r"^ +- [^:]+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    pages = {str(page.relative_to(ROOT / "docs")) for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert listed == pages | {"index.md", "contributing.md", "changelog.md"}


@pytest.mark.parametrize(
    "page, target, link",
    [
        ("index.md", "docs/lab.md", "lab.md"),
        ("index.md", "docs/recipes", "recipes/README.md"),
        ("index.md", "CONTRIBUTING.md", "contributing.md"),
        ("index.md", "docs/images/run.png", "images/run.png"),
        ("lab.md", "recipes/README.md", "recipes/README.md"),
        ("recipes/README.md", "../lab.md", "../lab.md"),
        ("recipes/README.md", "../../README.md", "../index.md"),
        ("lab.md", "../src/code.py", f"{REPOSITORY}/blob/main/src/code.py"),
        ("contributing.md", "src", f"{REPOSITORY}/tree/main/src"),
        ("lab.md", "missing.md", "missing.md"),
    ],
)
def test_links_of_the_site(tmp_path: Path, page: str, target: str, link: str) -> None:
    files = ["README.md", "CONTRIBUTING.md", "docs/lab.md", "docs/recipes/README.md", "docs/images/run.png"]
    for name in [*files, "src/code.py"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert site_link(target, page, REPOSITORY, tmp_path) == link


def test_modules_of_the_api_reference_are_found(tmp_path: Path) -> None:
    (tmp_path / "package" / "seams").mkdir(parents=True)
    for name in ["package/__init__.py", "package/types.py", "package/seams/loss.py", "package/seams/_hidden.py"]:
        (tmp_path / name).touch()
    (tmp_path / "package" / "seams" / "gate.py").touch()
    assert documented_modules(["package", "package.types", "package.seams.*"], tmp_path) == [
        "package",
        "package.types",
        "package.seams.gate",
        "package.seams.loss",
    ]


def test_a_page_of_the_api_shows_what_a_module_exports(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    exports = "if True:\n    from package.gate import Gate as Gate\n    from package.loss import Loss as Loss, other\n"
    (tmp_path / "package" / "__init__.py").write_text(exports, encoding="utf-8")
    (tmp_path / "package" / "gate.py").write_text("from package.loss import Loss\n", encoding="utf-8")
    assert api_content("package", tmp_path) == "::: package\n    options: {members: [Gate, Loss]}\n"
    assert api_content("package.gate", tmp_path) == "::: package.gate\n"
