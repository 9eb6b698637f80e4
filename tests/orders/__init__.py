"""Tests of proxy/orders/."""
