"""What the backing stores did."""

from ..declare import measure

measure("device_bytes.read", "bytes", "Bytes read from disks.", lambda o: int(o.h.disk_read))
measure("device_bytes.written", "bytes", "Bytes written to disks.", lambda o: int(o.h.disk_written))
measure("levels", "list", "Each store of a --stack besides the pool, from top to bottom.", lambda o: o.levels)
