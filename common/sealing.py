"""`python -m common.sealing`: print a key for SECRET_KEYS. What seals and opens is `common.crypto.sealing`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("tools.make_key", run_name="__main__")
