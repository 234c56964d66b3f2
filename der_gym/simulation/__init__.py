"""The parts of the simulator: fleet, network, exogenous values, reference days, market session, aggregator's view."""
