"""Many hosts at once: the frames of `kvmnb.Host`, of all of them together."""
