"""Links, addresses, routes, rules, neighbours and nexthops of a network namespace."""
