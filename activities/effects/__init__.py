"""Effects of programs that are performed by activities: one file each."""
