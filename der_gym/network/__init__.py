"""Layer 1: the ways of a command and of a report: paths, maker clouds, links, messages, telemetry."""
