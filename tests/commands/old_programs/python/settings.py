"""Where the numbers come from."""

import os

BASE = os.environ.get("SMS_BASE", "https://api.sms-activate.org")
API_KEY = os.environ.get("SMS_KEY", "a-key-of-2023")
