"""Posts each SMS to the targets of the configuration."""
