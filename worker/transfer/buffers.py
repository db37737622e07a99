"""The memory that photos' bytes pass through: blocks that are lent, given back and lent again. Knows no photo."""

from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

# Large enough that a thread does much before another takes its place (256 KiB cost a tenth more CPU, 2 MiB save nothing
# that counts), small enough that eight threads need 4 MiB and that a slow cloud takes one within the time of a call.
BLOCK_BYTES = 512 * 1024


class BufferPool:
    """As many blocks as were ever lent at a time: memory that is asked for anew, photo after photo, is twice as much.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._spare: list[memoryview] = []

    def acquire(self) -> memoryview:
        """Return a block of `BLOCK_BYTES` that is nobody else's until it is given back."""
        try:
            return self._spare.pop()
        except IndexError:
            # Straight from the kernel: of a block that only small photos pass through, the rest is never taken.
            return memoryview(mmap(-1, BLOCK_BYTES, MAP_PRIVATE | MAP_ANONYMOUS))

    def release(self, block: memoryview) -> None:
        """Keep a block for the next; whoever had it must not look at it any more."""
        self._spare.append(block)
