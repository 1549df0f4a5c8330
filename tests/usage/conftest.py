"""What tests of usage get: the daemon as a host that may be changed, with what puts something there."""

from tests.storage.conftest import host, site

__all__ = ["host", "site"]
