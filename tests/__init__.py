"""The tests of the kit, and what they share."""
