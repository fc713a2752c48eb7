"""Rooms Gateway: gRPC in front of the Rooms and Identity REST APIs of Azure Communication Services."""
