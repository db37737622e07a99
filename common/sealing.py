"""`python -m common.sealing`: another name of `python -m tools.make_key`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("tools.make_key", run_name="__main__")
