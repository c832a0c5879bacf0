"""The codecs of rtnetlink messages: bytes to values and back, without any I/O."""
