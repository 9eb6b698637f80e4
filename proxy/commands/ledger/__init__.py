"""`ledger`: prints the money."""
