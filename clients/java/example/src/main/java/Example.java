import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.SECONDS;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Timestamp;
import com.google.rpc.ErrorInfo;
import io.github.roomsgateway.acs.rooms.v1.*;
import io.github.roomsgateway.acs.rooms.v1.RoomsServiceGrpc.RoomsServiceBlockingStub;
import io.github.roomsgateway.client.ServiceConfig;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.protobuf.StatusProto;
import java.io.File;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

public class Example {
  public static void main(String[] args) throws IOException {
    var credentials = args.length == 1
        ? InsecureChannelCredentials.create()
        : TlsChannelCredentials.newBuilder().trustManager(new File(args[1])).build();
    ManagedChannel channel = Grpc.newChannelBuilder(args[0], credentials)
        .defaultServiceConfig(ServiceConfig.load())
        .build();
    try {
      RoomsServiceBlockingStub rooms = RoomsServiceGrpc.newBlockingStub(channel);
      String id = create(rooms);
      list(rooms);
      getMissing(rooms);
      update(rooms, id);
      delete(rooms, id);
    } finally {
      channel.shutdownNow();
    }
  }

  static String create(RoomsServiceBlockingStub rooms) {
    Instant end = Instant.now().plusSeconds(3600);
    var presenter = Participant.newBuilder()
        .setRawId("8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_00000026-7637-da8c-08d5-363a0d005464")
        .setRole(ParticipantRole.PARTICIPANT_ROLE_PRESENTER);
    var request = CreateRoomRequest.newBuilder()
        .setRequestId(UUID.randomUUID().toString())
        .setValidUntil(Timestamp.newBuilder().setSeconds(end.getEpochSecond()))
        .addParticipants(presenter)
        .build();
    Room room = rooms.withDeadlineAfter(10, SECONDS).createRoom(request).getRoom();
    System.out.println("created " + room.getId());
    return room.getId();
  }

  static void list(RoomsServiceBlockingStub rooms) {
    List<Room> found = new ArrayList<>();
    var next = ListRoomsRequest.newBuilder();
    read(rooms, next.setMaxPages(1), found);
    if (!next.getPageToken().isEmpty()) {
      read(rooms, next.clearMaxPages(), found);
    }
    System.out.println("listed " + found.size() + " rooms");
  }

  /** Adds the rooms of each page to `found` and moves `next` behind the page. */
  static void read(
      RoomsServiceBlockingStub rooms, ListRoomsRequest.Builder next, List<Room> found) {
    var pages = rooms.withDeadlineAfter(60, SECONDS).listRooms(next.build());
    while (pages.hasNext()) {
      ListRoomsResponse page = pages.next();
      found.addAll(page.getRoomsList());
      next.setPageToken(page.getNextPageToken());
    }
  }

  static void getMissing(RoomsServiceBlockingStub rooms) throws IOException {
    var request = GetRoomRequest.newBuilder().setRoomId("99400000000000000").build();
    try {
      rooms.withDeadlineAfter(10, SECONDS).getRoom(request);
    } catch (StatusRuntimeException error) {
      if (error.getStatus().getCode() != Code.NOT_FOUND) throw error;
      System.out.println("not found: " + reason(error));
    }
  }

  static String reason(StatusRuntimeException error) throws InvalidProtocolBufferException {
    for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
      if (detail.is(ErrorInfo.class)) return detail.unpack(ErrorInfo.class).getReason();
    }
    return "";
  }

  static void update(RoomsServiceBlockingStub rooms, String id) {
    var request = UpdateRoomRequest.newBuilder().setRoomId(id).setPstnDialOutEnabled(false).build();
    try {
      rooms.withDeadlineAfter(500, MILLISECONDS).updateRoom(request);
      System.out.println("updated");
    } catch (StatusRuntimeException error) {
      if (error.getStatus().getCode() != Code.DEADLINE_EXCEEDED) throw error;
      System.out.println("deadline exceeded");
    }
  }

  static void delete(RoomsServiceBlockingStub rooms, String id) {
    var request = DeleteRoomRequest.newBuilder().setRoomId(id).setAllowMissing(true).build();
    rooms.withDeadlineAfter(10, SECONDS).deleteRoom(request);
    System.out.println("deleted");
  }
}
