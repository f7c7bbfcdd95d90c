"""zram as a swap device."""
