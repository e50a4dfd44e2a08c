"""OS packages of Debian's kind: what an archive offers, what a base image has, what is to be installed beyond that."""
