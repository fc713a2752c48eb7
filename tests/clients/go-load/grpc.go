package main

import (
	"context"
	"log"

	roomsv1 "github.com/rooms-gateway/rooms-gateway/generated/go/acs/rooms/v1"
	"github.com/rooms-gateway/rooms-gateway/generated/go/roomsgateway"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
)

// withoutHealthChecks has the effect of a program that does not import google.golang.org/grpc/health.
var withoutHealthChecks = grpc.WithDisableHealthCheck()

// grpcCaller balances and retries as the service config says.
func grpcCaller(targets []string, options ...grpc.DialOption) caller {
	gateways := manual.NewBuilderWithScheme("gateways")
	var state resolver.State
	for _, target := range targets {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: target})
	}
	gateways.InitialState(state)
	conn, err := grpc.NewClient("gateways:///", append(options,
		grpc.WithResolvers(gateways),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(roomsgateway.ServiceConfig))...)
	if err != nil {
		log.Fatal(err)
	}
	rooms := roomsv1.NewRoomsServiceClient(conn)
	return func(ctx context.Context, request *roomsv1.CreateRoomRequest) code.Code {
		_, err := rooms.CreateRoom(ctx, request)
		return code.Code(status.Code(err))
	}
}
