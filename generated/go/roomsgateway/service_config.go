// Package roomsgateway has the settings of clients of the Rooms Gateway.
package roomsgateway

import _ "embed"

// ServiceConfig is the gRPC service config for the gateway, as JSON: retries, timeouts,
// round_robin and health checks. Pass it to grpc.WithDefaultServiceConfig, and import
// google.golang.org/grpc/health for the health checks.
//
//go:embed service_config.json
var ServiceConfig string
