"""ENV7xx: whether the lockfile itself is to be trusted."""

from __future__ import annotations

from envctl.model.codes.kind import CHANGED, ERROR, UNTRUSTED, WARNING, Code

_NOTHING = " Nothing was compared with such a lockfile, and nothing that it names was fetched or run."

CODES = (
    Code(
        code="ENV701",
        name="lockfile-unsigned",
        severity=ERROR,
        asks=UNTRUSTED,
        title="A signature is required, and the lockfile has none",
        meaning="Beside the lockfile lies no signature of the kind that is asked for." + _NOTHING,
        action="Let somebody who is trusted review and sign it: `envctl sign TARGET`, then commit the signature too.",
    ),
    Code(
        code="ENV702",
        name="lockfile-signature-other",
        severity=ERROR,
        asks=CHANGED,
        title="The signature is of another lockfile than this",
        meaning=(
            "The signature is sound, but not of these bytes: the lockfile was locked anew, merged, or edited after it"
            " was signed." + _NOTHING
        ),
        action=(
            "Look at what changed since it was signed (`git log -p` on the lockfile, `envctl diff`); where that is"
            " right, sign it anew with `envctl sign TARGET`."
        ),
    ),
    Code(
        code="ENV703",
        name="lockfile-signer-untrusted",
        severity=ERROR,
        asks=UNTRUSTED,
        title="The signature is by nobody who is trusted, or none at all",
        meaning=(
            "The key is in no list of allowed signers, expired, revoked, not allowed for `envctl-lockfile`, or another"
            " identity's than the one asked for; or the file is no signature." + _NOTHING
        ),
        action="Compare the key with that of the person who says to have signed; then list it, or sign it anew.",
    ),
    Code(
        code="ENV704",
        name="signers-in-project",
        severity=WARNING,
        asks=UNTRUSTED,
        title="The list of allowed signers lies in the project",
        meaning=(
            "Whoever can change the lockfile there can change the list too, and sign with a key of their own: this"
            " signature proves who signed only to somebody who has reviewed the list."
        ),
        action="Keep the list outside of the repository, or take it from a branch that is protected.",
    ),
)
