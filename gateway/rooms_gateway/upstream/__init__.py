"""REST side of the gateway: operations, paging, api-versions, endpoint, probe."""
