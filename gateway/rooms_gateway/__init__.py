"""Rooms Gateway: gRPC in front of the Azure Communication Services Rooms REST API."""
