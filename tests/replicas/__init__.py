"""Tests of proxy/replicas/."""
