"""Layer 3: the Gymnasium environments."""
