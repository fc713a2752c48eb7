//go:build tools

// Package tools pins the loader of the Compose specification, with its schema inside.
package tools

import _ "github.com/compose-spec/compose-go/v2/cmd"
