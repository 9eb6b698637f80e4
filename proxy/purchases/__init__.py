"""Buying, cancelling and the journal of purchases. Knows `orders` and what is below."""
