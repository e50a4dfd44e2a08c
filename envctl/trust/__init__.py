"""Detached signatures of lockfiles and statements: made, and judged by the keys and identities that a user trusts."""
