"""Rooms Gateway: gRPC for the Rooms and Identity REST APIs of Azure Communication Services."""
