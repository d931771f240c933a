"""Promise: the 32-bit system call door (int 0x80) opens nothing."""

import ctypes
import mmap

AIM = "power"
UNLOCKED = False


def attack(target):
    # mov eax, 20 (getpid of the 32-bit table, "writev" of nothing in ours); int 0x80; ret
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    return b"the 32-bit door is open" if call() > 0 else b""
