from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from envctl.errors import EnvctlError
from envctl.model.profile import Inputs
from envctl.profile import load, resolve_name

Write = Callable[[Mapping[str, str]], Path]
Refused = Callable[..., EnvctlError]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files of a project; a name without a folder and with .toml is a profile."""

    def files(texts: Mapping[str, str]) -> Path:
        for name, text in texts.items():
            path = tmp_path / name if "/" in name or not name.endswith(".toml") else tmp_path / "profiles" / name
            path = tmp_path / "pyproject.toml" if name == "pyproject.toml" else path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8", "surrogatepass"))
        return tmp_path

    return files


@pytest.fixture
def loaded(write: Write) -> Callable[..., Inputs]:
    """The inputs of a target of a project made of texts; the target is `train`, with a Python where it says none."""

    def inputs(train: str = "", target: str = "train", **others: str) -> Inputs:
        texts = {"train.toml": train if "python =" in train else f'python = "3.11"\n{train}'}
        project = write({**texts, **{name.replace("__", "/"): text for name, text in others.items()}})
        return load(project, resolve_name(project, target))

    return inputs


@pytest.fixture
def refused(write: Write) -> Refused:
    """The error that a project of these texts ends in."""

    def error(texts: Mapping[str, str] | str, target: str = "train") -> EnvctlError:
        project = write({"train.toml": texts} if isinstance(texts, str) else texts)
        with pytest.raises(EnvctlError) as caught:
            load(project, resolve_name(project, target))
        assert str(caught.value).isprintable() or "\n" in str(caught.value)
        assert all(line.isprintable() for line in str(caught.value).split("\n"))
        return caught.value

    return error
