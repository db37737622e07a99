"""Which photos are missing in the guest's cloud, and copying them side by side."""
