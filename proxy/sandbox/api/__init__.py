"""The simulated upstream over HTTP and WebSocket."""
