"""Layer 2: the parts that the simulator composes: fleet, network, context, pool of days, market session, the table of what the aggregator sees."""
