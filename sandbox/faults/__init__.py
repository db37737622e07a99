"""What is to go wrong, where and when, and how a server does it."""
