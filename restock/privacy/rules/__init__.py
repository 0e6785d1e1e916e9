"""`registry` says of every column what it holds, `person` what is one person's, `readable` how it is shown. Pure."""
