"""The legacy endpoint: a request of the old protocol in, its answer out."""
