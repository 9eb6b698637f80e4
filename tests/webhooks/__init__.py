"""Tests of proxy/webhooks/."""
