"""Commands about what may be kept, erased and read: rights, holds, retention."""
