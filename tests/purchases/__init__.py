"""Tests of proxy/purchases/."""
