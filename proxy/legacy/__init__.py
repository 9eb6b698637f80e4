"""The old protocol: requests, words, states, dialects. Pure; it does not know the upstream."""
