// A newer grpc and connect than the lowest that generated/go accepts, which the example uses.
module rooms-gateway/tests/clients/go-load

go 1.24.0

require (
	connectrpc.com/connect v1.19.2
	github.com/rooms-gateway/rooms-gateway/generated/go v0.1.0
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260120221211-b8f7ae30c516
	google.golang.org/grpc v1.80.0
)

require (
	golang.org/x/net v0.49.0 // indirect
	golang.org/x/sys v0.40.0 // indirect
	golang.org/x/text v0.33.0 // indirect
	google.golang.org/protobuf v1.36.11 // indirect
)

replace github.com/rooms-gateway/rooms-gateway/generated/go => ../../../generated/go
