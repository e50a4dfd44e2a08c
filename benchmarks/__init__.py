"""Speed and memory of envctl beside the tools that people use today: `make bench`."""
