"""What a team has today, as a profile."""
