"""The whole product: money, crashes, strangers, and whatever else may happen to it."""
