"""`lookup`: finds a service or a country by name or code."""
