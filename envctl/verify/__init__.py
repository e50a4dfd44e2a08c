"""Compare a lockfile with an inventory. Pure."""
