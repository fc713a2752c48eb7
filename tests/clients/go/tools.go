//go:build tools

// Package tools pins the Go programs that the tests use as foreign clients.
package tools

import _ "github.com/fullstorydev/grpcurl/cmd/grpcurl"
