// The plugins of protoc for generated/go, and a program that packs it for GOPROXY.
module rooms-gateway/clients/go/tools

go 1.24

tool (
	connectrpc.com/connect/cmd/protoc-gen-connect-go
	google.golang.org/grpc/cmd/protoc-gen-go-grpc
	google.golang.org/protobuf/cmd/protoc-gen-go
)

require golang.org/x/mod v0.22.0

require (
	connectrpc.com/connect v1.18.1 // indirect
	google.golang.org/grpc/cmd/protoc-gen-go-grpc v1.5.1 // indirect
	google.golang.org/protobuf v1.36.5 // indirect
)
