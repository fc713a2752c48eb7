"""`rooms-gateway run`: a command with a gateway and an emulator."""
