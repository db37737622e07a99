"""What goes over RabbitMQ: jobs, progress, the ledger, and how it is published."""
