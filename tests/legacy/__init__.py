"""Tests of proxy/legacy/."""
