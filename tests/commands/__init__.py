"""Tests of proxy/commands/."""
