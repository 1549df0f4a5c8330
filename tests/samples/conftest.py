"""What every test of the store of samples gets."""

from __future__ import annotations

from tests.storage.conftest import host, site

__all__ = ["host", "site"]
