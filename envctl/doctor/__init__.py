"""What this machine is, judged against what a target needs. Pure: facts come in as values, checks go out."""
