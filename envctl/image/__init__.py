"""Building images from a lockfile."""
