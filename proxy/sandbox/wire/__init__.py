"""Bodies, events, frames and refusals of the simulated upstream."""
