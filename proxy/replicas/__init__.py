"""Cooperation of several replicas on one database. Imports `purchases` and lower packages."""
