"""`/sandbox/*`: steers the simulated upstream."""
