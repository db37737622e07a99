"""Storage model shared by both clouds: files and folders, checksums, rate limits."""
