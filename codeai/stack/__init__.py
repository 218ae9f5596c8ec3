"""What `codeai up` starts and keeps running on one machine."""
