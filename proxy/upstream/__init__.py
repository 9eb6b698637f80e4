"""VirtualSMS's customer API: its calls, the request budget, and caches of answers."""
