"""Tests of proxy/sandbox/."""
