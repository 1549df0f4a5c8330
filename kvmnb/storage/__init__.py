"""Pools and volumes: reading them, and everything that can be done to them."""
