"""The HTTP door: routes that guard, parse, make one service call, and render."""
