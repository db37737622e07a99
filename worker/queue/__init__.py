"""The worker's side of RabbitMQ: consuming jobs and publishing what follows from them."""
