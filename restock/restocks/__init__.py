"""From a stock reading to an event, from an event to waves of offers."""
