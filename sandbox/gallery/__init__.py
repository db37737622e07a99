"""Stand-in of the gallery: photo lists, photos, and the endpoint for done calls."""
