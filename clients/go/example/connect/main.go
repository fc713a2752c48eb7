// Connect creates, reads and deletes a room with connect-go: connect TARGET
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	roomsv1 "github.com/rooms-gateway/rooms-gateway/generated/go/acs/rooms/v1"
	"github.com/rooms-gateway/rooms-gateway/generated/go/acs/rooms/v1/roomsv1connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

func main() {
	log.SetFlags(0)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	rooms := roomsv1connect.NewRoomsServiceClient(&http.Client{Transport: transport},
		"http://"+os.Args[1], connect.WithGRPC(),
		connect.WithInterceptors(connect.UnaryInterceptorFunc(retry)))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	created, err := rooms.CreateRoom(ctx,
		connect.NewRequest(&roomsv1.CreateRoomRequest{RequestId: uuid.NewString()}))
	if err != nil {
		log.Fatal(err)
	}
	id := created.Msg.GetRoom().GetId()
	fmt.Println("created", id)

	_, err = rooms.DeleteRoom(ctx,
		connect.NewRequest(&roomsv1.DeleteRoomRequest{RoomId: id, AllowMissing: true}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("deleted")

	_, err = rooms.GetRoom(ctx, connect.NewRequest(&roomsv1.GetRoomRequest{RoomId: id}))
	fmt.Println("failed:", connect.CodeOf(err), reason(err))
}

// retry repeats an idempotent unary call for some seconds, which is longer than a gateway restarts.
func retry(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		idempotent := request.Spec().IdempotencyLevel != connect.IdempotencyUnknown
		backoff := 100 * time.Millisecond
		for attempt := 1; ; attempt++ {
			response, err := next(ctx, request)
			code := connect.CodeOf(err)
			retryable := code == connect.CodeUnavailable || code == connect.CodeCanceled
			if err == nil || !idempotent || !retryable || attempt == 8 {
				return response, err
			}
			select {
			case <-ctx.Done(): // the deadline, or the caller's own cancel
				return response, err
			case <-time.After(backoff):
			}
			backoff = min(2*backoff, time.Second)
		}
	}
}

// reason returns the reason of a failed call, such as ERROR_REASON_ROOM_NOT_FOUND.
func reason(err error) string {
	var failed *connect.Error
	if errors.As(err, &failed) {
		for _, detail := range failed.Details() {
			if value, err := detail.Value(); err == nil {
				if info, ok := value.(*errdetails.ErrorInfo); ok {
					return info.GetReason()
				}
			}
		}
	}
	return ""
}
