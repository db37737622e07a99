"""What every stand-in does over HTTP: connections, routes, requests and replies."""
