"""The control loop; it knows no subsystem and does no kernel I/O."""
