"""nf_tables as netlink messages, to and fro."""
