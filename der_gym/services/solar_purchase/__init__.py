"""A retailer who has bought the sun's surplus ahead and needs her customers to draw it (余剰電力の先買い)."""
