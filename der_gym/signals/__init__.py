"""Layer 1: prices, demand, weather and requests, as one table of 5-minute series."""
