"""Package indexes: simple API, wheels by range, manifests."""
