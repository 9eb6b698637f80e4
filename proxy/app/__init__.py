"""Builds the ASGI app and runs it: wiring, lifespan, readiness, HTTP server."""
