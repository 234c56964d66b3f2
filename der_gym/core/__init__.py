"""Layer 0: what every other layer stands on; knows nothing of devices, networks or markets."""
