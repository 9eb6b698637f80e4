"""What the simulated upstream holds. Pure."""
