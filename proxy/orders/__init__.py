"""Orders, their activations and all reads of them. Imports `forwarding` and lower packages."""
