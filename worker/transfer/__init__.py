"""Copy one photo: the loop that moves its bytes, retries, throttling and stopping."""
