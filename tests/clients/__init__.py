"""The frozen clients of the old protocol, unmodified, each against the sandbox and the proxy."""
