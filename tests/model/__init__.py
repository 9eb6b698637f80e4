"""Tests of proxy/model/."""
