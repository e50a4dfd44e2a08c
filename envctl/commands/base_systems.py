"""The OS of base images: read once from their layers, and kept by digest."""

from __future__ import annotations

import contextlib
import hashlib

import msgspec

from envctl.errors import InvalidFile
from envctl.oci.contents import Wanted, read_image
from envctl.oci.reference import Reference
from envctl.oci.registry import Registry
from envctl.oci.tree import merge
from envctl.os_packages.base import BaseSystem, base_system, wanted
from envctl.system.digests import keep, kept
from envctl.system.files import cache_dir


def read_base_system(registry: Registry, reference: str, platform: str) -> BaseSystem:
    """The OS of the image that a reference with a digest names.

    Raises:
        IndexFailed: the registry cannot be asked, or has not that image.
        InvalidFile: what the image holds is malformed.
    """
    digest = reference.partition("@")[2]
    place = cache_dir("systems", "v1") / hashlib.sha256(f"{digest} {platform}".encode()).hexdigest()
    if (data := kept(place)) is not None:
        with contextlib.suppress(msgspec.MsgspecError):
            return msgspec.json.decode(data, type=BaseSystem)
    image = registry.image(Reference.parse(reference), platform)
    contents = read_image(image, Wanted(keep=wanted))
    try:
        found = base_system(merge(contents.layers).texts, platform.split("/")[1])
    except ValueError as error:
        raise InvalidFile(
            "the base image's package database is malformed", file=reference, key="image.base", found=str(error)
        ) from error
    keep(place, msgspec.json.encode(found))
    return found
