"""How many text messages leave: how fast for each sender, how many a day for each shop, none into a flood."""
