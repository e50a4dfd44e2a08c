from __future__ import annotations

import re
from pathlib import Path

from envctl.model.profile import Profile
from envctl.model.target import Target
from envctl.profile import load, targets
from envctl.profile.shape import fields

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r'```toml title="(profiles/[a-z-]+\.toml)"\n(.*?)```', re.DOTALL)


def test_the_profiles_of_the_guide_load_and_mean_what_it_says(tmp_path) -> None:
    text = (DOCS / "how-to" / "write-a-profile.md").read_text("utf-8")
    (tmp_path / "profiles").mkdir()
    for name, content in BLOCK.findall(text):
        (tmp_path / name).write_text(content, "utf-8")
    (tmp_path / "requirements.in").write_text("pandas")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\noptional-dependencies.serve = ["flask"]')
    (tmp_path / "app").mkdir()
    assert [str(target) for target in targets(tmp_path)] == ["serve", "serve-image", "train:cpu", "train:cuda"]
    assert load(tmp_path, Target("train", "cuda")).profile.platforms == ("linux/amd64",)
    serve = load(tmp_path, Target("serve-image"))
    assert [asked.text for asked in serve.requirements] == ["numpy>=2", "scikit-learn", "pandas", "flask"]
    assert serve.profile.resolver.exclude_newer is None


def test_the_reference_names_every_key() -> None:
    text = (DOCS / "reference" / "profile.md").read_text("utf-8")
    known = [*fields(Profile), "extends", "unset", "variants", "default-variant"]
    assert [key for key in known if f"`{key}`" not in text and f"[{key}" not in text] == []
