"""The version of i2i; pyproject.toml says the same."""

__version__ = "0.1.0"
