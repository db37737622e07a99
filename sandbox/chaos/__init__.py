"""The chaos test: real programs and a real broker, ended and cut off at random while guests save their galleries."""
