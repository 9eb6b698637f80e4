"""The state of the simulated upstream. Pure."""
