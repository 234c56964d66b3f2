"""Layer 2: what the simulator composes: fleet, network, context, pool of days, market session, aggregator's view."""
