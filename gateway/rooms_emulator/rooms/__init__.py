"""The Rooms operations, and the store behind them."""
