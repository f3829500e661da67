"""bunkerctl: a vault for personal records, run from the command line."""

__version__ = "0.1.0"
