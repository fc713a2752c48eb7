"""Pure functions that convert between the protobuf messages and the JSON of the REST API."""
