"""The worker: consumes archive jobs from RabbitMQ and copies each gallery into its guest's cloud."""
