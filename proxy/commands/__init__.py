"""The command line: a file or a folder for each command. Nothing imports it; it may use all."""
