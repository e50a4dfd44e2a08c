"""The verifier in one file: what goes into it, and what takes the place of a compiled library in there."""
