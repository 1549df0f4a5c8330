"""The tests of how growth and forecasts are worked out."""
