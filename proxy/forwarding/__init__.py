"""Posts each SMS to the targets of the configuration.

Knows `legacy`, `upstream`, `store` and `config`.
"""
