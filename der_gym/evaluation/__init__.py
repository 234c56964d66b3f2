"""Layer 4: controllers compared on the same worlds, the causes of failures, firm power, speed."""
