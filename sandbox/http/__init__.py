"""HTTP server of the stand-ins: connections, routes, requests and replies."""
