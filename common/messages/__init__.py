"""Messages over RabbitMQ: jobs, progress and the ledger, and publishing them."""
