"""What `web` and `worker` must agree on. Knows neither of them."""
