"""Tests of proxy/app/."""
