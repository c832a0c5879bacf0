"""`linx demo`: sysctls converge, are broken by another process, and heal, in new namespaces."""
