"""Steps of a composite action, run as GitHub runs them: a bash process each, inputs as variables, answers in files."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
_EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")


class Ended(NamedTuple):
    """How a step ended: exit code, what it wrote to the log, its outputs, and what it added to the summary."""

    status: int
    log: str
    outputs: dict[str, str]
    summary: str


class Action:
    """The action of this checkout, in a runner's folders below `work`."""

    def __init__(self, work: Path) -> None:
        self.document: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
        self.steps = {step.get("id") or step["name"]: step for step in self.document["runs"]["steps"]}
        self._work = work
        (work / "temp").mkdir(parents=True)

    def defaults(self) -> dict[str, str]:
        """Every input with its default."""
        return {name: said["default"] for name, said in self.document["inputs"].items()}

    def run(self, step: str, folder: Path, *, command: str = "", **inputs: str) -> Ended:
        """Run one step in a project's folder."""
        known = {f"inputs.{name}": value for name, value in self.defaults().items()}
        known |= {f"inputs.{name.replace('_', '-')}": value for name, value in inputs.items()}
        known |= {"github.action_path": str(ROOT), "steps.install.outputs.envctl": command}
        said = self.steps[step]
        files = {name: self._work / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH")}
        for path in files.values():
            path.write_text("")
        script = self._work / "script.sh"
        script.write_text(said["run"], "utf-8")
        env = {name: _EXPRESSION.sub(lambda found: known[found[1]], value) for name, value in said["env"].items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=folder / known["inputs.working-directory"] if "working-directory" in said else folder,
            env=os.environ | _paths(files) | {"RUNNER_TEMP": str(self._work / "temp")} | env,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=300,
            check=False,
        )
        answers = files["GITHUB_OUTPUT"].read_text("utf-8").splitlines()
        assert files["GITHUB_PATH"].read_text() == "", "the action puts nothing on the job's path"
        return Ended(
            done.returncode,
            done.stdout + done.stderr,
            dict(line.split("=", 1) for line in answers),
            files["GITHUB_STEP_SUMMARY"].read_text("utf-8", "surrogateescape"),
        )


def _paths(files: Mapping[str, Path]) -> dict[str, str]:
    return {name: str(path) for name, path in files.items()}


class Component:
    """The template for GitLab: its inputs, and its job with inputs filled in as GitLab does it, value by value."""

    def __init__(self) -> None:
        header, self._job = yaml.safe_load_all((ROOT / "templates/verify.yml").read_text("utf-8"))
        self.inputs: dict[str, dict[str, Any]] = header["spec"]["inputs"]

    def job(self, **given: str) -> dict[str, Any]:
        """The job; ValueError for a value that GitLab refuses."""
        values = {name: said["default"] for name, said in self.inputs.items() if "default" in said} | given
        for name, said in self.inputs.items():
            if "options" in said and values[name] not in said["options"]:
                raise ValueError(name)
            if "regex" in said and not re.search(said["regex"], values[name]):
                raise ValueError(name)
        (job,) = _filled(self._job, values).values()
        return job

    def run(self, folder: Path, **given: str) -> tuple[int, str]:
        """Run the job's script as GitLab's runner does it; exit code and log."""
        job = self.job(**given)
        said = job["variables"]
        plain = {k: v["value"] for k, v in said.items() if isinstance(v, dict)}
        assert all(v["expand"] is False for v in said.values() if isinstance(v, dict))
        done = subprocess.run(
            ["sh", "-e", "-c", "\n".join(job["script"])],
            cwd=folder,
            env=os.environ | plain,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


def _filled(value: Any, inputs: Mapping[str, Any]) -> Any:
    """Inputs take their places in texts after the file was read, so that none changes its structure."""
    if isinstance(value, dict):
        return {_filled(name, inputs): _filled(item, inputs) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, inputs) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda found: _text(inputs[found[1]]), value)
    return value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
