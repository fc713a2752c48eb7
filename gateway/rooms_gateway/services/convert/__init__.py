"""Pure functions between the protobuf contract and the JSON of the REST API."""
