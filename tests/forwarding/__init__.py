"""Tests of proxy/forwarding/."""
