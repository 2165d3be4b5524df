"""The command line: where commands are found and run, and how they print."""
