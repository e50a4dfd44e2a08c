"""Profiles: read, inherit, check.

`load` gives a target's inputs, `targets` lists what a project has, `resolve_name` is what a user means by a name,
`cutoff` a point in time; `schema` is the JSON Schema that editors use.
"""

from envctl.profile.inputs import assemble, load, resolve_name, targets
from envctl.profile.json_schema import schema
from envctl.profile.moment import cutoff
from envctl.profile.positions import spell

__all__ = ["assemble", "cutoff", "load", "resolve_name", "schema", "spell", "targets"]
