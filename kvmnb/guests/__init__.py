"""Inside the guests' disks: file systems and how full they are, files, mounts, and the demo guest."""
