"""virtualsms-proxy: the sms-activate and DaisySMS protocol, answered by VirtualSMS."""

__version__ = "0.1.0"

DISTRIBUTION = "virtualsms-proxy"
"""By which the command knows this package from another of the same name."""
