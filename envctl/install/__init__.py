"""Installers behind one interface: a lockfile in, a virtual environment that holds exactly it out."""
