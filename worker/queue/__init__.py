"""The worker's side of RabbitMQ: what takes jobs from the queue and puts messages into it."""
