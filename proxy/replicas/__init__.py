"""What several replicas on one database owe each other. Knows `purchases` and what is below."""
