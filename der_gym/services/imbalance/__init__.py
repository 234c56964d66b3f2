"""Imbalance (インバランス) of a retail balancing group: the plan against the actual, at one price."""
