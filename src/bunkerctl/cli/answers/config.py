"""A setting."""

from __future__ import annotations

SETTING = ("name", "value", "source")
