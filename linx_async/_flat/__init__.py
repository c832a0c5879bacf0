"""Flat key-to-value state, the home that sysctl and cgroup share."""
