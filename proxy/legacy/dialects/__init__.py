"""The dialects of the old protocol: each is data in a file of its own, and a row here."""

from collections.abc import Mapping

from proxy.legacy.dialects import sms_activate
from proxy.legacy.dialects.dialect import Dialect

DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (sms_activate.DIALECT,)}

__all__ = ["DIALECTS", "Dialect"]
