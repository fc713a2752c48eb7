//go:build tools

// Package tools pins Connect's conformance suite, with its protos.
package tools

import _ "connectrpc.com/conformance/cmd/connectconformance"
