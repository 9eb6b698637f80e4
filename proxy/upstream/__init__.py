"""VirtualSMS's customer API: the calls, and what is remembered of their answers."""
