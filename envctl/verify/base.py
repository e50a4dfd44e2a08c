"""The image's lowest layers against the pinned base image, and the environment's place in it. Pure."""

from __future__ import annotations

from envctl.model.image import Picture
from envctl.verify.world import World


def stands_on(picture: Picture) -> bool:
    """Whether the image's lowest layers are the base's."""
    return picture.base is not None and picture.base.carries(picture.diff_ids)


def check(world: World, picture: Picture) -> None:
    """Report another base, one that nobody knows, and environments that were not looked at."""
    pin = world.lockfile.envctl.platforms.get(picture.platform)
    pinned = None if pin is None else pin.base_digest
    image = world.lockfile.envctl.image
    if image is not None:
        if picture.base is None:
            reason = picture.base_unknown or "nothing at hand says it"
            world.report("base-unverified", f"the layers of {image.base} are not known: {reason}", expected=pinned)
        elif not stands_on(picture):
            count = len(picture.base.diff_ids)
            same = next((n for n, (a, b) in enumerate(zip(picture.diff_ids, picture.base.diff_ids)) if a != b), 0)  # noqa: B905
            found = picture.diff_ids[same] if same < len(picture.diff_ids) else None
            world.report(
                "base-changed",
                f"layer {same + 1} of {count} is not that of {image.base}",
                path=f"layer {same + 1}",
                expected=picture.base.diff_ids[same],
                found=found,
            )
    for prefix in picture.others:
        world.report("environment-other", "holds installed packages too", path=f"/{prefix}")
