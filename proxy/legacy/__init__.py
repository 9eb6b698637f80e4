"""The old protocol: requests, words, states, dialects. Pure; it knows nothing of the upstream."""
