"""Disk image formats: what qemu-img says of an image, and what it does to one."""
