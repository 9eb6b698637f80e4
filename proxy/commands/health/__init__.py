"""`health`: asks a running proxy whether it is alive."""
