"""`ledger`: prints charges and refunds."""
