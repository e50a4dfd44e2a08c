"""Golden Dockerfiles, byte for byte, and what holds for each of them."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from support.dockerfiles import read
from support.golden import assert_golden
from support.lockfiles import LOCK_DIGEST, UPLOAD, make_image, make_lockfile, make_package

from envctl.errors import InvalidFile
from envctl.model.lockfile import (
    Installer,
    LockedFile,
    Lockfile,
    OsPackage,
    OsPackages,
    Project,
    Python,
    Resolver,
    Standalone,
)
from envctl.render import dockerfile, dockerignore

MB = 10**6
CUDA_BASE = "nvidia/cuda:12.8.1-base-ubuntu22.04@sha256:" + "0f6b" * 16
BOTH = ("linux/amd64", "linux/arm64")
TAGS = ("cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux_2_28_aarch64")
STACK = (
    make_package("numpy", "2.3.4", tags=TAGS[:1], size=17 * MB),
    make_package("scikit-learn", "1.7.2", tags=TAGS[:1], size=9 * MB, needs=("numpy",)),
    make_package("idna", "3.11", uploaded=None),
)
CUDA_STACK = (
    *STACK,
    make_package("torch", "2.9.0", tags=TAGS[:1], size=880 * MB, needs=("nvidia-cublas-cu12", "triton")),
    make_package("triton", "3.5.0", tags=TAGS[:1], size=155 * MB),
    make_package("nvidia-cublas-cu12", "12.8.4.1", tags=TAGS[:1], size=590 * MB),
    make_package("tensorflow", "2.21.0", tags=TAGS[:1], size=620 * MB),
)


def builds(*platforms: str) -> dict[str, Standalone]:
    place = "https://builds.example/cpython-3.11.9+20240814-{}-unknown-linux-gnu-install_only.tar.gz"
    machines = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
    return {
        p: Standalone(url=place.format(machines[p]), sha256=("ab" + p[-2:].encode().hex()[:2]) * 16) for p in platforms
    }


def os_package(name: str, arch: str, digest: str, step: int = 0) -> OsPackage:
    url = f"https://archive.example/debian/20260101T000000Z/pool/main/{name}_1.0+b1_{arch}.deb"
    return OsPackage(name=name, version="1.0+b1", arch=arch, sha256=digest * 32, url=url, size=1000, step=step)


def targets() -> dict[str, Lockfile]:
    two = (make_package("numpy", "2.3.4", tags=TAGS, size=17 * MB), make_package("idna", "3.11"))
    application = {
        "env": {"OMP_NUM_THREADS": "1", "GREETING": "good day"},
        "files": (
            LockedFile(source="app", target="/app"),
            LockedFile(source="models/digits.joblib", target="/app/digits.joblib", digest="sha256:" + "d1" * 32),
        ),
        "workdir": "/app",
        "user": 10001,
        "ports": (8000, 8001),
        "command": ("python", "-m", "serve"),
    }
    return {
        "cpu": make_lockfile(STACK, image=make_image()),
        "application": make_lockfile(STACK, variant=None, image=make_image(packages=("libgomp1",), **application)),
        "cuda-standalone": make_lockfile(
            CUDA_STACK,
            variant="cuda",
            cuda="12.8",
            python=Python(version="3.11.9", source="standalone", builds=builds("linux/amd64")),
            image=make_image(base=CUDA_BASE, user=10001),
        ),
        "cuda-python-base": make_lockfile(CUDA_STACK, variant="cuda", cuda="12.8", image=make_image(user=10001)),
        "os-python": make_lockfile(
            STACK,
            variant="os",
            python=Python(version="3.11.2", source="os"),
            image=make_image(
                base="debian:bookworm-slim@sha256:" + "deb1" * 16, packages=("python3", "libgomp1=12.2.0-14")
            ),
        ),
        "two-platforms": make_lockfile(two, variant="both", platforms=BOTH, image=make_image()),
        "two-platforms-standalone": make_lockfile(
            two,
            variant="both",
            platforms=BOTH,
            python=Python(version="3.11.9", source="standalone", builds=builds(*BOTH)),
            image=make_image(base=CUDA_BASE.partition("@")[0]),
            base_digest={"linux/amd64": "sha256:" + "a1" * 32, "linux/arm64": "sha256:" + "a2" * 32},
        ),
        "os-packages-locked": make_lockfile(
            two,
            variant="both",
            platforms=BOTH,
            image=make_image(
                packages=("acme-tool",), snapshot="https://archive.example/debian/20260101T000000Z", user=10001
            ),
            os_packages=OsPackages(
                snapshot="https://archive.example/debian/20260101T000000Z",
                packages=(
                    os_package("acme-tool", "amd64", "a1", step=1),
                    os_package("libacme1", "amd64", "b1"),
                    os_package("acme-tool", "arm64", "a2"),
                ),
            ),
        ),
        "alpine": make_lockfile(
            (make_package("idna", "3.11"),),
            variant="alpine",
            libc="musl 1.2",
            image=make_image(base="python:3.11.9-alpine3.20@sha256:" + "a1b1" * 16, packages=("libstdc++", "libgomp")),
        ),
        "project": make_lockfile(
            STACK,
            variant="own",
            project=Project(name="acme-train", path="."),
            image=make_image(command=("acme-train",)),
        ),
    }


GOLDEN = targets()


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_dockerfile(name: str) -> None:
    assert_golden(f"Dockerfile.{name}", dockerfile.render(GOLDEN[name], lock_digest=LOCK_DIGEST))


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_dockerignore(name: str) -> None:
    assert_golden(f"Dockerfile.{name}.dockerignore", dockerignore.render(GOLDEN[name]))


@pytest.mark.parametrize("name", GOLDEN)
def test_last_stage_only_copies_and_sets(name: str) -> None:
    text = read(dockerfile.render(GOLDEN[name], lock_digest=LOCK_DIGEST))
    allowed = {"FROM", "COPY", "ENV", "WORKDIR", "USER", "EXPOSE", "ENTRYPOINT", "CMD", "LABEL"}
    assert {instruction.name for instruction in text.last_stage()} <= allowed
    assert text.last_stage()[-1].name == "LABEL"


@pytest.mark.parametrize("name", GOLDEN)
def test_every_base_is_pinned_and_nothing_pulls_a_frontend(name: str) -> None:
    text = dockerfile.render(GOLDEN[name], lock_digest=LOCK_DIGEST)
    stages: set[str] = set()
    for instruction in read(text).instructions:
        if instruction.name == "FROM":
            source = instruction.words[0]
            assert "@sha256:" in source or source == "scratch" or source in stages or source.endswith("${TARGETARCH}")
            stages.update(instruction.words[2:3])
    assert "syntax" not in text.splitlines()[0]
    assert "<<" not in text


@pytest.mark.parametrize("name", GOLDEN)
def test_steps_with_secrets_begin_from_what_seldom_changes(name: str) -> None:
    """The engine digests all that such a step begins from; a copy before it would make that new each time."""
    before: list[tuple[str, ...]] = []
    steps = 0
    for instruction in read(dockerfile.render(GOLDEN[name], lock_digest=LOCK_DIGEST)).instructions:
        if instruction.name == "FROM":
            before = []
        elif instruction.name == "RUN" and any("type=secret" in flag for flag in instruction.flags):
            assert before == [("tools",)]
            steps += 1
        if instruction.name != "ARG":
            before.append(instruction.words[:1])
    assert steps >= 2


@pytest.mark.parametrize("name", GOLDEN)
def test_copied_stages_and_trees_exist(name: str) -> None:
    text = dockerfile.render(GOLDEN[name], lock_digest=LOCK_DIGEST)
    stages = {i.words[2] for i in read(text).instructions if i.name == "FROM" and len(i.words) == 3}
    copied = [i for i in read(text).last_stage() if i.name == "COPY"]
    assert copied
    for instruction in copied:
        source = next(flag for flag in instruction.flags if flag.startswith("--from="))
        assert source.removeprefix("--from=") in stages
        tree = instruction.words[0].removeprefix("/layers/").rstrip("/")
        assert f"'{tree} " in text or f'"{tree} ' in text or f"/layers/{tree}/opt" in text


def test_lines_fit_a_screen_but_for_digests_and_names() -> None:
    for name, lockfile in GOLDEN.items():
        for line in dockerfile.render(lockfile, lock_digest=LOCK_DIGEST).splitlines():
            assert len(line) <= 120 or "sha256" in line or "print(" in line or "sys.exit" in line, f"{name}: {line}"


def test_rendering_depends_on_values_and_not_on_their_order() -> None:
    lockfile = GOLDEN["application"]
    image = lockfile.envctl.image
    assert image is not None
    texts = set()
    for env in itertools.permutations(image.env.items()):
        changed = msgspec.structs.replace(image, env=dict(env), packages=tuple(reversed(image.packages)))
        texts.add(dockerfile.render(with_envctl(lockfile, image=changed), lock_digest=LOCK_DIGEST))
    assert len(texts) == 1


def test_lock_digest_is_label_and_precondition() -> None:
    text = dockerfile.render(GOLDEN["cpu"], lock_digest=LOCK_DIGEST)
    assert read(text).pairs("LABEL")["envctl.lockfile.digest"] == LOCK_DIGEST
    assert LOCK_DIGEST.removeprefix("sha256:") + "  -" in text


def test_labels_name_target_base_package_set_and_application() -> None:
    lockfile = GOLDEN["application"]
    labels = read(dockerfile.render(lockfile, lock_digest=LOCK_DIGEST)).pairs("LABEL")
    assert labels["envctl.target"] == "train"
    assert labels["org.opencontainers.image.base.name"] == "python:3.11.9-slim-bookworm"
    assert labels["org.opencontainers.image.base.digest"] == "sha256:" + "8fb0" * 16
    assert labels["envctl.package-set.linux-amd64"] == lockfile.envctl.package_set["linux/amd64"]
    assert labels["envctl.application"] == '["/app"]'


def test_command_replaces_the_base_images_entrypoint() -> None:
    text = read(dockerfile.render(GOLDEN["application"], lock_digest=LOCK_DIGEST))
    assert text.one("ENTRYPOINT").words == ()
    assert text.one("CMD").words == ("python", "-m", "serve")
    assert "CMD" not in read(dockerfile.render(GOLDEN["cpu"], lock_digest=LOCK_DIGEST)).names()


@pytest.mark.parametrize(
    ("cuda", "packages", "expected"),
    [
        ("12.8", (), "cuda>=12.0"),
        ("11.8", (), "cuda>=11.0"),
        ("13.0", (), "cuda>=13.0"),
        (None, ("nvidia-nccl-cu12",), None),
    ],
)
def test_driver_condition_is_that_of_the_asserted_cuda_major_version(
    cuda: str | None, packages: tuple[str, ...], expected: str | None
) -> None:
    lockfile = make_lockfile([make_package(name) for name in packages], cuda=cuda, image=make_image())
    env = read(dockerfile.render(lockfile, lock_digest=LOCK_DIGEST)).pairs("ENV")
    assert env.get("NVIDIA_REQUIRE_CUDA") == expected
    assert env["NVIDIA_VISIBLE_DEVICES"] == "all"


def test_a_cpu_image_says_nothing_about_nvidia() -> None:
    assert "NVIDIA" not in dockerfile.render(GOLDEN["cpu"], lock_digest=LOCK_DIGEST)


def test_the_profile_overrides_variables_that_are_set_by_default() -> None:
    image = make_image(env={"PYTHONDONTWRITEBYTECODE": "", "NVIDIA_REQUIRE_CUDA": "cuda>=12.8"})
    env = read(dockerfile.render(make_lockfile(cuda="12.8", image=image), lock_digest=LOCK_DIGEST)).pairs("ENV")
    assert env["PYTHONDONTWRITEBYTECODE"] == ""
    assert env["NVIDIA_REQUIRE_CUDA"] == "cuda>=12.8"


def test_without_a_cutoff_the_build_backend_is_not_limited() -> None:
    lockfile = make_lockfile(project=Project(name="x", path="pkg"), resolver=Resolver(name="uv"), image=make_image())
    text = dockerfile.render(lockfile, lock_digest=LOCK_DIGEST)
    assert "uv build --wheel " in text
    assert "--exclude-newer" not in text


def test_provided_distributions_are_seen_by_the_environment() -> None:
    lockfile = make_lockfile(image=make_image(provides=("torch",)))
    text = dockerfile.render(lockfile, lock_digest=LOCK_DIGEST)
    assert "-m venv --without-pip --system-site-packages /opt/venv" in text


def test_no_moment_of_a_layer_is_later_than_the_lockfiles() -> None:
    lockfile = make_lockfile(STACK, source_date_epoch=int(UPLOAD.timestamp()) - 5, image=make_image())
    text = dockerfile.render(lockfile, lock_digest=LOCK_DIGEST)
    assert str(int(UPLOAD.timestamp())) not in text


def with_envctl(lockfile: Lockfile, **values: object) -> Lockfile:
    envctl = msgspec.structs.replace(lockfile.envctl, **values)
    return msgspec.structs.replace(lockfile, tool=msgspec.structs.replace(lockfile.tool, envctl=envctl))


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"image": None}, "tool.envctl.image"),
        ({"installer": None}, "tool.envctl.installer"),
        ({"installer": Installer(name="uv", version="1", sha256={})}, "tool.envctl.installer.sha256"),
        ({"installer": Installer(name="uv", version="1'; id", sha256={})}, "tool.envctl.installer"),
        ({"installer": Installer(name="pip", version="26", sha256={})}, "tool.envctl.installer"),
        ({"cuda": "12.8 || true"}, "tool.envctl.cuda"),
        ({"profile": "train\nRUN id"}, "tool.envctl"),
        ({"variant": "../x"}, "tool.envctl"),
        ({"python": Python(version="3.11.9'; id", source="image")}, "tool.envctl.python.version"),
        ({"python": Python(version="3.11.9", source="standalone")}, "image.python.url"),
        ({"image": make_image(base="python:3.11")}, "tool.envctl.image.base"),
        ({"image": make_image(base="a b@sha256:" + "0" * 64)}, "tool.envctl.image.base"),
        ({"image": make_image(env={"A B": "x"})}, "image.env"),
        ({"image": make_image(user="")}, "image.user"),
        ({"image": make_image(workdir="app")}, "image.workdir"),
        ({"image": make_image(packages=("libgomp1-",))}, "image.packages"),
        ({"image": make_image(packages=("--allow-unauthenticated",))}, "image.packages"),
        ({"image": make_image(packages=("a;id",))}, "image.packages"),
    ],
)
def test_what_no_dockerfile_can_say_is_refused_with_its_key(values: dict[str, object], key: str) -> None:
    lockfile = with_envctl(make_lockfile(STACK, base_digest=None, image=make_image()), **values)
    with pytest.raises(InvalidFile) as caught:
        dockerfile.render(lockfile, lock_digest=LOCK_DIGEST)
    assert caught.value.key == key
    assert caught.value.exit_code == 3


def test_a_target_for_macos_only_has_no_image() -> None:
    lockfile = make_lockfile(platforms=("darwin/arm64",), image=make_image())
    with pytest.raises(InvalidFile, match="no Linux platform"):
        dockerfile.render(lockfile, lock_digest=LOCK_DIGEST)


def test_other_platforms_of_a_lockfile_are_left_out_of_its_image() -> None:
    lockfile = make_lockfile(platforms=("linux/amd64", "darwin/arm64"), image=make_image())
    assert "darwin" not in dockerfile.render(lockfile, lock_digest=LOCK_DIGEST)


def test_a_zstandard_archive_is_refused_because_images_cannot_unpack_it() -> None:
    python = Python(
        version="3.11.9",
        source="standalone",
        builds={"linux/amd64": Standalone(url="https://builds.example/x.tar.zst", sha256="0" * 64)},
    )
    with pytest.raises(InvalidFile, match="unpack"):
        dockerfile.render(make_lockfile(python=python, image=make_image()), lock_digest=LOCK_DIGEST)
