"""Every command line that README and docs show is run, page by page, in a fresh project folder.

The index of these tests offers small wheels under the names that the pages use, so that no network is needed.
"""

from __future__ import annotations

import re

import pytest
from support.docs import ROOT, Reader, docs_index, needs_engine
from support.pages import File, anchors, steps

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
ELSEWHERE = {
    "make": "run by CI as they stand",
    "docker build": "what it needs of the machine is shown in tests/integration/test_build_image.py",
    "pip install": "needs the distribution built; CI installs it with `make setup`",
    "git clone": "needs the place where the project lives",
}

__all__ = ["docs_index"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_shows_works(page, docs_index, tmp_path, request):
    reader = Reader(tmp_path, docs_index)
    todo = [s for s in steps(page) if isinstance(s, File) or not s.text.startswith(tuple(ELSEWHERE))]
    if needs_engine(todo):
        reader.lend(request.getfixturevalue("engine"))
    request.addfinalizer(reader.tidy)
    reader.ship("demo")
    for step in todo:
        if isinstance(step, File):
            reader.write(step.path, step.text)
        else:
            reader.follow(step, str(page))
    assert steps(page) or "```console" not in page.read_text("utf-8")


def test_pages_link_only_to_what_exists():
    broken = []
    for page in PAGES:
        for link, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?[^)]*\)", page.read_text("utf-8")):
            place = page.parent / link if link else page
            known = "://" in link or (place.exists() and (not anchor or anchor in anchors(place)))
            if not known:
                broken.append(f"{page.relative_to(ROOT)}: {link}#{anchor}")
    assert broken == []


def test_every_page_can_be_reached_from_the_readme():
    left, reached = [ROOT / "README.md"], set()
    while left:
        page = left.pop().resolve()
        if page in reached or not page.is_file():
            continue
        reached.add(page)
        if page.suffix == ".md":
            links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
            targets = [page.parent / link for link in links if "://" not in link]
            left += [target / "README.md" if target.is_dir() else target for target in targets]
    assert [str(page.relative_to(ROOT)) for page in PAGES if page.resolve() not in reached] == []


# Names in double quotes in the sources that are variables; those of the Dockerfile and of children are set, not read.
_VARIABLE = re.compile(
    r'"((?:ENVCTL|PIP|SSL|REQUESTS|CURL|XDG|PYENV|MISE|ASDF|LD|DYLD)_[A-Z_]+|UV_(?!INDEX_")[A-Z_]+[A-Z]'
    r'|NETRC|NO_COLOR|TERM|VIRTUAL_ENV|PYTHON(?:PATH|HOME|PLATLIBDIR|PYCACHEPREFIX))"'
)
_SET = {"UV_NO_INSTALLER_METADATA", "UV_PYTHON_DOWNLOADS", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"}


def test_every_variable_that_is_read_is_documented():
    sources = [path for path in (ROOT / "envctl").rglob("*.py") if "render" not in path.parts]
    read = {name for path in sources for name in _VARIABLE.findall(path.read_text("utf-8"))} - _SET
    page = (ROOT / "docs" / "reference" / "environment.md").read_text("utf-8")
    assert {"ENVCTL_INDEX_URL", "ENVCTL_CACHE_DIR", "UV_HTTP_TIMEOUT", "NETRC", "LD_PRELOAD"} <= read
    assert sorted(name for name in read if f"`{name}`" not in page) == []


def test_no_page_tells_anyone_to_install_the_distribution_of_another_project():
    wrong = re.compile(r"(?:pip|pipx|uv tool) install (?:-\S+ )*envctl(?![-\w])")
    assert [str(page) for page in PAGES if wrong.search(page.read_text("utf-8"))] == []
