"""Child processes of the sandbox: RabbitMQ nodes, and proxies in front of them."""
