"""What `web` and `worker` share: messages, clouds, outgoing HTTP, settings, telemetry."""
