"""OAuth of both clouds: consent pages, tokens, and a browser that answers them."""
