"""Buying, cancelling, and the journal of purchases. Imports `orders` and lower packages."""
