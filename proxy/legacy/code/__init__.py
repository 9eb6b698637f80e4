"""Finds the verification code in the text of an SMS. Pure: text in, code out.

Legacy servers answered `STATUS_OK:code`; the upstream's orders have the text only.
"""

from proxy.legacy.code.finder import CodeFinder, FindCode, Found
from proxy.legacy.code.shipped import find_code

__all__ = ["CodeFinder", "FindCode", "Found", "find_code"]
