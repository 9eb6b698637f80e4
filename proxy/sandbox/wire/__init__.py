"""How the simulated upstream words what it sends."""
