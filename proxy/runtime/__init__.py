"""What the process itself needs, whatever it is for; knows the standard library alone."""
