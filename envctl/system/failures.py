"""Failures of a request that another attempt may not have."""

from __future__ import annotations

from envctl.errors import IndexFailed


class Retry(Exception):
    """This attempt failed with `failure`; another may not. `wait`: seconds that the server asks for; `slow`: it took
    so long to fail that one more attempt is enough."""

    def __init__(self, failure: IndexFailed, *, wait: float | None = None, slow: bool = False) -> None:
        super().__init__(failure.what)
        self.failure, self.wait, self.slow = failure, wait, slow
