"""`health`: asks a running proxy whether it can answer."""
