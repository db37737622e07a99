"""Keeps promises: takes archives from the queue and copies them, photo by photo. Serves no users."""
