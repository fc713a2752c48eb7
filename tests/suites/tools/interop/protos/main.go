// Command protos writes the protos of the interop service as a FileDescriptorSet; the module has
// only what was generated from them.
package main

import (
	"log"
	"os"
	"strings"

	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// moved renames a file: modules generated below grpc/ would hide the package grpc of Python.
func moved(name string) string {
	return strings.Replace(name, "grpc/testing/", "interop/", 1)
}

func main() {
	set := &descriptorpb.FileDescriptorSet{}
	for _, file := range []protoreflect.FileDescriptor{
		grpc_testing.File_grpc_testing_empty_proto,
		grpc_testing.File_grpc_testing_messages_proto,
		grpc_testing.File_grpc_testing_test_proto,
	} {
		described := protodesc.ToFileDescriptorProto(file)
		described.Name = proto.String(moved(file.Path()))
		for i, dependency := range described.Dependency {
			described.Dependency[i] = moved(dependency)
		}
		set.File = append(set.File, described)
	}
	written, err := proto.Marshal(set)
	if err == nil {
		_, err = os.Stdout.Write(written)
	}
	if err != nil {
		log.Fatal(err)
	}
}
