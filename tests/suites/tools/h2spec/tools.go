//go:build tools

// Package tools pins h2spec; its later versions are no Go modules.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
