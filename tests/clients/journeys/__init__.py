"""How each client is pointed at the proxy, and goes from its balance to a number's end."""
