"""Tables in nft's syntax, by way of the nft program."""
