"""One photo on its way: the loop that moves its bytes, retries, throttling and stopping."""
