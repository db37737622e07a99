"""`python -m tools.make_key`: print a key for SECRET_KEYS, alone on its line."""

from common.crypto.sealing import make_key

if __name__ == "__main__":
    print(make_key())
