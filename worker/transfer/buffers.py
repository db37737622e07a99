"""Pool of the memory blocks that photos' bytes pass through."""

from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

# Large enough that a thread does much before another takes its place (256 KiB cost a tenth more CPU, 2 MiB save nothing
# that counts), small enough that eight threads need 4 MiB and that a slow cloud takes one within the time of a call.
BLOCK_BYTES = 512 * 1024


class BufferPool:
    """Blocks of `BLOCK_BYTES`, reused: memory that is allocated anew, photo after photo, is twice as much.

    Thread-safe. Holds as many blocks as were ever in use at a time.
    """

    def __init__(self) -> None:
        self._free: list[memoryview] = []

    def acquire(self) -> memoryview:
        """Return a block that is nobody else's until it is released."""
        try:
            return self._free.pop()
        except IndexError:
            # Straight from the kernel: of a block that only small photos pass through, the rest is never taken.
            return memoryview(mmap(-1, BLOCK_BYTES, MAP_PRIVATE | MAP_ANONYMOUS))

    def release(self, block: memoryview) -> None:
        """Return a block to the pool; whoever had it must not use it any more."""
        self._free.append(block)
