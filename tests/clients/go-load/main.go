// Load makes dry runs of CreateRoom through all TARGETs, each HOST:PORT, until its standard input
// ends, and prints how many succeeded, and how many failed with each code, as JSON:
//
//	load grpc-health|grpc-plain|connect TARGET...
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"time"

	roomsdebugv1 "github.com/rooms-gateway/rooms-gateway/generated/go/acs/rooms/debug/v1"
	roomsv1 "github.com/rooms-gateway/rooms-gateway/generated/go/acs/rooms/v1"
	"google.golang.org/genproto/googleapis/rpc/code"
)

const (
	callers = 8
	timeout = 30 * time.Second
)

// caller makes one call, with its retries, and returns its code.
type caller func(context.Context, *roomsv1.CreateRoomRequest) code.Code

type tally struct {
	Served int            `json:"served"`
	Failed map[string]int `json:"failed"`
}

func main() {
	mode, targets := os.Args[1], os.Args[2:]
	var call caller
	switch mode {
	case "grpc-health":
		call = grpcCaller(targets)
	case "grpc-plain":
		call = grpcCaller(targets, withoutHealthChecks)
	case "connect":
		call = connectCaller(targets)
	default:
		log.Fatalf("unknown mode %q", mode)
	}

	var ended atomic.Bool
	go func() {
		io.Copy(io.Discard, os.Stdin)
		ended.Store(true)
	}()
	total := tally{Failed: map[string]int{}}
	var lock sync.Mutex
	var running sync.WaitGroup
	for range callers {
		running.Add(1)
		go func() {
			defer running.Done()
			for !ended.Load() {
				code := makeCall(call)
				lock.Lock()
				total.add(code)
				lock.Unlock()
			}
		}()
	}
	running.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(total); err != nil {
		log.Fatal(err)
	}
}

func makeCall(call caller) code.Code {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return call(ctx, &roomsv1.CreateRoomRequest{DryRun: &roomsdebugv1.DryRun{}})
}

func (t *tally) add(result code.Code) {
	if result == code.Code_OK {
		t.Served++
	} else {
		t.Failed[result.String()]++
	}
}
