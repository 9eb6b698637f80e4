"""The store in PostgreSQL, shared by replicas."""
