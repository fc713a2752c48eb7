package main

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	roomsv1 "github.com/rooms-gateway/rooms-gateway/generated/go/acs/rooms/v1"
	"github.com/rooms-gateway/rooms-gateway/generated/go/acs/rooms/v1/roomsv1connect"
	"google.golang.org/genproto/googleapis/rpc/code"
)

const attempts = 8

// connectCaller makes each attempt on another gateway, the first of successive calls alternately.
func connectCaller(targets []string) caller {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: transport}
	var gateways []roomsv1connect.RoomsServiceClient
	for _, target := range targets {
		rooms := roomsv1connect.NewRoomsServiceClient(client, "http://"+target, connect.WithGRPC())
		gateways = append(gateways, rooms)
	}
	var calls atomic.Uint64
	return func(ctx context.Context, request *roomsv1.CreateRoomRequest) code.Code {
		first := calls.Add(1)
		backoff := 100 * time.Millisecond
		for attempt := uint64(1); ; attempt++ {
			rooms := gateways[(first+attempt)%uint64(len(gateways))]
			_, err := rooms.CreateRoom(ctx, connect.NewRequest(request))
			if err == nil {
				return code.Code_OK
			}
			result := connect.CodeOf(err)
			retryable := result == connect.CodeUnavailable ||
				result == connect.CodeCanceled && ctx.Err() == nil
			if !retryable || attempt == attempts {
				return code.Code(result)
			}
			time.Sleep(backoff)
			backoff = min(2*backoff, time.Second)
		}
	}
}
