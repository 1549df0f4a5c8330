"""The tests of the heart of the kit: pools and volumes."""
