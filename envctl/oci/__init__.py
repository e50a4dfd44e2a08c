"""References, registries and layouts of the Open Container Initiative."""
