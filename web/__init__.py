"""Promises work: takes a guest's request, gets their permission, puts the job into the queue. Never touches a photo."""
