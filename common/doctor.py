"""`python -m common.doctor`: another name of `python -m tools.doctor`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("tools.doctor", run_name="__main__")
