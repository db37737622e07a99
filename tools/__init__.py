"""Commands for operators. Nobody imports them."""
