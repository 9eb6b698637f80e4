"""The upstream's signed events, and the subscription to them. Knows `orders` and what is below."""
