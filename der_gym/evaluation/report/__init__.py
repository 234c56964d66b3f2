"""Reports: one HTML page each for an episode, a scoreboard and firm power, self-contained."""
