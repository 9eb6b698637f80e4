"""What the process itself needs, whatever it is for; knows no other room of the proxy."""
