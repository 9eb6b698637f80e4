"""virtualsms-proxy: the sms-activate and DaisySMS protocol, answered by VirtualSMS."""

__version__ = "0.1.0"
