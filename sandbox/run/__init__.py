"""Programs that are run here: RabbitMQ, and lines to it that can be cut."""
