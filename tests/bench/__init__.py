"""Benches: what a crowd of clients sees on one key, and what it costs."""
