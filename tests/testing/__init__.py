"""Tests of proxy/testing/."""
