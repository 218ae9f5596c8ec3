"""How the API and its compiler process tell messages apart: the length of each comes first."""

import struct

LENGTH = struct.Struct(">I")
"""Four bytes, before each message of JSON."""
