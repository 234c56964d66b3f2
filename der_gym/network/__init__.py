"""The network: channels, maker clouds, links, messages on their way out, telemetry on its way back."""
