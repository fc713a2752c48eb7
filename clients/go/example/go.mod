module rooms-gateway/clients/go/example

go 1.24

require (
	connectrpc.com/connect v1.18.1
	github.com/google/uuid v1.6.0
	github.com/rooms-gateway/rooms-gateway/generated/go v0.1.0
	google.golang.org/genproto/googleapis/rpc v0.0.0-20240814211410-ddb44dafa142
	google.golang.org/grpc v1.67.3
	google.golang.org/protobuf v1.36.5
)

require (
	golang.org/x/net v0.28.0 // indirect
	golang.org/x/sys v0.28.0 // indirect
	golang.org/x/text v0.17.0 // indirect
)

replace github.com/rooms-gateway/rooms-gateway/generated/go => ../../../generated/go
