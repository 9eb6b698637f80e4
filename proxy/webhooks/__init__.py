"""The upstream's signed events, and the subscription to them."""
