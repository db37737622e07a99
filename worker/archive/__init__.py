"""Find the photos that are missing in the guest's cloud, and copy them in parallel."""
