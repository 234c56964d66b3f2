"""Layer 2: the parts that the simulator composes: fleet, wires, context, pool of days, market desk, public table."""
