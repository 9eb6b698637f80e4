"""Tests of proxy/endpoint/."""
