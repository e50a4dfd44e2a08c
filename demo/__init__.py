"""The main job on real packages, shown: `make demo`."""
