"""Settings, client keys and code tables, read from YAML and the environment."""
