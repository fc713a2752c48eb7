//go:build tools

// Package tools pins grpc-go's interop client.
package tools

import _ "google.golang.org/grpc/interop/client"
