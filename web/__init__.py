"""The HTTP service: takes a gallery's request, gets the guest's consent, queues the job, shows its progress."""
