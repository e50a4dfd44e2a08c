"""The attack table on images: each deed is named, whoever reads the image and from wherever; and nothing else is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import pytest
from support.attacked import VENV, Victim, attacked, changed_lock, image_targets
from support.attacks import IMAGE, rows_of
from support.attacks import groups as groups_of
from support.attacks.row import BASE, VERSION
from support.judging import Seen, each_taken_out, is_named, seen, unexpected
from support.project import Ran
from support.readers import (
    READERS,
    by_both,
    by_docker_save,
    by_the_engine,
    by_the_engines_files,
    by_the_registry,
    excused,
    from_inside,
    missing,
)

GROUPS = groups_of(IMAGE)
ROWS = [(group, row) for group in GROUPS for row in rows_of(group, IMAGE)]
MATRIX = [
    *(("together", reader) for reader in READERS if reader is not by_the_engines_files),
    *[("around", by_docker_save), ("around", by_both)],
    *[("said", by_the_registry), ("said", from_inside), ("site by a link", from_inside), ("variables", by_the_engine)],
]


class Answer(NamedTuple):
    """What was found in an attacked image, and what without each check."""

    status: int
    verdict: str
    found: list[Seen]
    without: dict[str, list[Seen]]


@pytest.fixture(scope="module")
def answers(victim: Victim) -> Callable[[str], Answer]:
    """By group, as the engine's files are read; each image is read once."""

    @functools.cache
    def answer(group: str) -> Answer:
        with each_taken_out({row.check for row in rows_of(group, IMAGE)}) as without:
            done = victim.verify("--image", attacked(victim, group))
        assert done.status == 1, done.err
        return Answer(done.status, done.json["verdict"], seen(done.json["findings"]), without)

    return answer


@pytest.mark.parametrize(("group", "row"), ROWS, ids=[row.name for _, row in ROWS])
def test_an_attack_on_an_image(answers, group, row):
    answer, target = answers(group), image_targets(group)[row.name]
    assert answer.verdict in ("changed", "untrusted")
    assert is_named(row, target, answer.found)
    assert not is_named(row, target, answer.without[row.check])


@pytest.mark.parametrize("group", GROUPS)
def test_nothing_else_is_found_in_an_image(answers, group):
    assert unexpected(rows_of(group, IMAGE), image_targets(group), answers(group).found) == []


@pytest.mark.parametrize(("group", "reader"), MATRIX, ids=[f"{group}-{reader.__name__}" for group, reader in MATRIX])
def test_each_reader_alone_names_every_deed(victim, group, reader, tmp_path, monkeypatch):
    done: Ran = reader(victim, attacked(victim, group), tmp_path, monkeypatch)
    assert done.status == 1, done.err
    found = seen(done.json["findings"])
    if (group, reader) == ("around", by_both):  # its `re` is gone: the interpreter inside cannot answer
        assert ("ENV509", "bin/python") in {item[:2] for item in found}
        return
    rows, targets = rows_of(group, IMAGE), image_targets(group)
    assert missing(rows, targets, found, reader) == []
    assert unexpected(rows, targets, [item for item in found if not excused(item, reader)]) == []


@pytest.fixture(scope="module")
def other_base(victim: Victim) -> str:
    """The victim's files on another base."""
    tag = victim.engine.name("other-base")
    text = f"""\
FROM {victim.project.lockfile().envctl.image.base} AS other
RUN --network=none echo other > /etc/motd
COPY --from={victim.image} /opt /opt
COPY --from={victim.image} /srv /srv
FROM scratch
COPY --from=other / /
ENV PATH={VENV}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin GREETING='good day'
WORKDIR /srv/app
USER 10001
CMD ["alpha", "serve"]
"""
    victim.engine.build(victim.tools, text, tag)
    return tag


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_another_base_is_found(victim, other_base, reader, tmp_path, monkeypatch):
    with each_taken_out([BASE]) as without:
        done = reader(victim, other_base, tmp_path, monkeypatch)
    assert done.status == 1, done.err
    assert "ENV501" not in {item.code for item in without[BASE]}
    findings = [f for f in done.json["findings"] if f["severity"] == "error"]
    assert (findings[0]["code"], findings[0]["path"]) == ("ENV501", "layer 1")
    assert all(f["path"].startswith("bin/activate") for f in findings[1:])  # whose templates the base vouches for
    assert "base" not in done.json["scope"]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_another_patch_release_of_python_is_an_error(victim, reader, tmp_path, monkeypatch):
    with changed_lock(victim, ('version = "3.11.2"', 'version = "3.11.9"')), each_taken_out([VERSION]) as without:
        done = reader(victim, victim.image, tmp_path, monkeypatch)
    assert done.status == 1, done.err
    (finding,) = [f for f in done.json["findings"] if f["severity"] == "error"]
    assert (finding["code"], finding["expected"], finding["found"]) == ("ENV302", "3.11.9", "3.11.2")
    assert "ENV302" not in {item.code for item in without[VERSION]}


def test_another_minor_release_of_python_is_found(victim):
    tag, site = victim.engine.name("other-python"), f"{VENV}/lib/python3.13/site-packages"
    text = f"FROM {victim.engine.bases['py313']}\nRUN --network=none python3 -m venv --without-pip {VENV}\n"
    text += f"COPY --from={victim.image} {VENV}/lib/python3.11/site-packages {site}\nENV PATH={VENV}/bin:$PATH\n"
    victim.engine.build(victim.tools, text, tag)
    done = victim.verify("--image", tag)
    assert done.status == 1
    assert {f["code"] for f in done.json["findings"]} >= {"ENV301", "ENV501", "ENV602"}
