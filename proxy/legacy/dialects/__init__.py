"""The dialects of the old protocol: each is a file here and a row in DIALECTS."""

from collections.abc import Mapping
from types import MappingProxyType

from proxy.legacy.dialects import daisysms, herosms, sms_activate
from proxy.legacy.dialects.dialect import Dialect

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (sms_activate.DIALECT, daisysms.DIALECT, herosms.DIALECT)}
)

__all__ = ["DIALECTS", "Dialect"]
