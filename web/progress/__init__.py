"""Progress of archives: received, stored, looked up and published by this replica."""
