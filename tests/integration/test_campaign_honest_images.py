"""No false alarm in images: the demo's real wheels, put into bases by pip and uv as Dockerfiles of one's own do it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import popular
from support.engine.client import Engine
from support.honest import IMAGES, PIPS
from support.project import envctl

from envctl.system.uv import binary

pytestmark = [pytest.mark.campaign, pytest.mark.network]

ROOT = Path(__file__).resolve().parents[2]
PROFILE = """\
python = "{python}"
dependencies = ["scikit-learn", "pandas", "matplotlib", "seaborn", "joblib", "xgboost-cpu"]

[resolver]
exclude-newer = "{cutoff}"

[image]
base = "{base}"

[policy]
allow-seed = true
writable = ["share/app", "share/matplotlib"]
"""


class Shop:
    """A context for `docker build` with wheels, uv and pips; one lockfile for each base."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder, self.context = engine, folder, folder / "context"
        self._versions: dict[str, str] = {}
        (folder / "profiles").mkdir()
        self.context.mkdir()
        shutil.copy(binary(), self.context / "uv")

    def lock(self, base: str) -> None:
        """Lock and fetch once for a base."""
        if base in self._versions:
            return
        reference = self.engine.bases[base]
        said = self.engine.run("run", "--rm", "--network=none", reference, "python3", "-V").stdout.split()[1]
        self._versions[base] = said
        text = PROFILE.format(python=said, base=reference, cutoff=popular.CUTOFF)
        (self.folder / f"profiles/{base}.toml").write_text(text)
        done = envctl("-C", self.folder, "lock", base)
        assert done.status == 0, done.err
        wheels = self.folder / f"wheels-{base}"
        done = envctl("-C", self.folder, "fetch", base, wheels)
        assert done.status == 0, done.err
        (self.context / base).mkdir()
        for wheel in wheels.rglob("*.whl"):
            if not wheel.name.startswith("uv-"):
                shutil.copy(wheel, self.context / base)

    def verify(self, base: str, *where: object) -> list[tuple[str, str, str | None]]:
        """What raises an alarm: not what a Dockerfile of one's own sets (ENV504, ENV505)."""
        done = envctl("-C", self.folder, "verify", base, "--format", "json", *where)
        assert done.status == 0, done.out + done.err
        listed = done.json["findings"]
        return [(f["code"], f["message"], f.get("path")) for f in listed if f["code"] not in ("ENV504", "ENV505")]


@pytest.fixture(scope="module")
def shop(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = Shop(engine, tmp_path_factory.mktemp("images"))
    from support import environments as env

    for version in PIPS.values():
        env.run("python3", "-m", "pip", "download", "-q", "--no-deps", "-d", shop.context, f"pip=={version}")
    return shop


@pytest.mark.parametrize("name", IMAGES)
def test_no_image_raises_an_alarm(name: str, shop: Shop) -> None:
    row = IMAGES[name]
    shop.lock(row.base)
    tag = shop.engine.name("honest-" + "".join(char for char in name.lower() if char.isalnum()))
    pips = {f"{{{key}}}": f"/mnt/{next(shop.context.glob(f'pip-{version}-*')).name}" for key, version in PIPS.items()}
    text = row.steps.replace("{wheels}", f"/mnt/{row.base}/*.whl")
    for key, place in pips.items():
        text = text.replace(key, place)
    text = text.replace("RUN ", "RUN --network=none --mount=type=bind,target=/mnt ")
    text = text.replace("FROM base", f"FROM {shop.engine.bases[row.base]}")
    shop.engine.build(shop.context, text, tag, timeout=1200)
    assert shop.verify(row.base, "--image", tag) == []
    shop.engine.run("rmi", "--force", tag)
