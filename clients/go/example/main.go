// Example creates, lists, updates and deletes a room: example TARGET [CA_FILE]
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/google/uuid"
	roomsv1 "github.com/rooms-gateway/rooms-gateway/generated/go/acs/rooms/v1"
	"github.com/rooms-gateway/rooms-gateway/generated/go/roomsgateway"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // enables the health checks of the service config
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: example TARGET [CA_FILE]")
	}
	conn, err := connect(os.Args[1], os.Args[2:]...)
	check(err)
	defer conn.Close()
	rooms := roomsv1.NewRoomsServiceClient(conn)
	ctx := context.Background()

	room, err := createRoom(ctx, rooms)
	check(err)
	fmt.Println("created", room.GetId())

	count, err := countRooms(ctx, rooms)
	check(err)
	fmt.Println("listed", count, "rooms")

	_, err = rooms.GetRoom(ctx, &roomsv1.GetRoomRequest{RoomId: "99400000000000000"})
	if status.Code(err) != codes.NotFound {
		log.Fatal("GetRoom did not return NotFound: ", err)
	}
	fmt.Println("not found:", reason(err))

	err = disableDialOut(ctx, rooms, room.GetId())
	if status.Code(err) == codes.DeadlineExceeded {
		fmt.Println("deadline exceeded")
	} else {
		check(err)
		fmt.Println("updated")
	}

	_, err = rooms.DeleteRoom(ctx, &roomsv1.DeleteRoomRequest{RoomId: room.GetId(), AllowMissing: true})
	check(err)
	fmt.Println("deleted")
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func connect(target string, caFile ...string) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if len(caFile) > 0 {
		var err error
		if creds, err = credentials.NewClientTLSFromFile(caFile[0], ""); err != nil {
			return nil, err
		}
	}
	return grpc.NewClient(target, grpc.WithTransportCredentials(creds),
		grpc.WithDefaultServiceConfig(roomsgateway.ServiceConfig))
}

func createRoom(ctx context.Context, rooms roomsv1.RoomsServiceClient) (*roomsv1.Room, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	response, err := rooms.CreateRoom(ctx, &roomsv1.CreateRoomRequest{
		RequestId:  uuid.NewString(),
		ValidUntil: timestamppb.New(time.Now().Add(time.Hour)),
		Participants: []*roomsv1.Participant{{
			RawId: "8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_0000000a-7637-da8c-08d5-363a0d005464",
			Role:  roomsv1.ParticipantRole_PARTICIPANT_ROLE_PRESENTER,
		}},
	})
	return response.GetRoom(), err
}

func disableDialOut(ctx context.Context, rooms roomsv1.RoomsServiceClient, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	request := &roomsv1.UpdateRoomRequest{RoomId: id, PstnDialOutEnabled: proto.Bool(false)}
	_, err := rooms.UpdateRoom(ctx, request)
	return err
}

// countRooms reads one page, then the rest from its page token. It resumes in the same way if a
// gateway becomes unavailable or shuts down.
func countRooms(ctx context.Context, rooms roomsv1.RoomsServiceClient) (int, error) {
	count := 0
	request := &roomsv1.ListRoomsRequest{MaxPages: 1}
	for attempt := 1; ; attempt++ {
		stream, err := rooms.ListRooms(ctx, request)
		if err != nil {
			return count, err
		}
		page, err := stream.Recv()
		for ; err == nil; page, err = stream.Recv() {
			count += len(page.GetRooms())
			request.PageToken = page.GetNextPageToken()
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		code := status.Code(err)
		interrupted := code == codes.Unavailable || code == codes.Canceled
		if request.PageToken == "" || err != nil && !interrupted || attempt == 4 {
			return count, err
		}
		request.MaxPages = 0
	}
}

// reason returns the reason of a failed call, such as ERROR_REASON_ROOM_NOT_FOUND.
func reason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}
