"""Work on batches that several processes share. Standard library only; run by an isolated interpreter.

Arguments: the descriptor of the listing, that of the tokens, and the text of a script with a function `work`. A token
is 16 bytes, little-endian: a batch's number (4), its length (4) and its place in the listing (8). All workers share the
position in the file of tokens, so that each takes the next one; they lock it meanwhile, since the kernel does not for
files in memory. More tokens may come until standard input ends.
`work(number, batch)` yields what is written to standard output.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import sys

TYPE_CHECKING = False  # importing typing and collections takes a third of the time that a worker takes to start
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_TOKEN = struct.Struct("<IIQ")
_PAUSE = 0.002


def batches(listing: int, tokens: int) -> Iterator[tuple[int, bytes]]:
    """The number and content of each batch that this worker gets hold of."""
    complete = False
    while True:
        fcntl.lockf(tokens, fcntl.LOCK_EX)
        token = os.read(tokens, _TOKEN.size)
        fcntl.lockf(tokens, fcntl.LOCK_UN)
        if len(token) == _TOKEN.size:
            number, length, place = _TOKEN.unpack(token)
            yield number, os.pread(listing, length, place)
        elif complete:
            return
        else:
            complete = bool(select.select([0], [], [], _PAUSE)[0]) and os.read(0, 1) == b""


def main() -> None:
    """Load the script and let it work."""
    listing, tokens, script = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    names: dict[str, Any] = {"__name__": "work"}
    exec(compile(script, "work", "exec"), names)  # noqa: S102  # envctl's own script, given by envctl
    work: Callable[[int, bytes], Iterator[bytes]] = names["work"]
    for number, batch in batches(listing, tokens):
        for answer in work(number, batch):
            os.write(1, answer)


if __name__ == "__main__":
    main()
