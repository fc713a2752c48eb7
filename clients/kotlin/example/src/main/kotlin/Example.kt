import com.google.protobuf.kotlin.isA
import com.google.protobuf.kotlin.unpack
import com.google.protobuf.timestamp
import com.google.rpc.ErrorInfo
import io.github.roomsgateway.acs.rooms.v1.ListRoomsRequest
import io.github.roomsgateway.acs.rooms.v1.ParticipantRole.PARTICIPANT_ROLE_PRESENTER
import io.github.roomsgateway.acs.rooms.v1.Room
import io.github.roomsgateway.acs.rooms.v1.RoomsServiceGrpcKt.RoomsServiceCoroutineStub
import io.github.roomsgateway.acs.rooms.v1.createRoomRequest
import io.github.roomsgateway.acs.rooms.v1.deleteRoomRequest
import io.github.roomsgateway.acs.rooms.v1.getRoomRequest
import io.github.roomsgateway.acs.rooms.v1.listRoomsRequest
import io.github.roomsgateway.acs.rooms.v1.participant
import io.github.roomsgateway.acs.rooms.v1.updateRoomRequest
import io.github.roomsgateway.client.ServiceConfig
import io.grpc.Grpc
import io.grpc.InsecureChannelCredentials
import io.grpc.Status.Code
import io.grpc.StatusException
import io.grpc.TlsChannelCredentials
import io.grpc.protobuf.StatusProto
import java.io.File
import java.time.Instant
import java.util.UUID
import java.util.concurrent.TimeUnit.MILLISECONDS
import java.util.concurrent.TimeUnit.SECONDS
import kotlinx.coroutines.runBlocking

fun main(args: Array<String>) = runBlocking {
    val credentials =
        if (args.size == 1) InsecureChannelCredentials.create()
        else TlsChannelCredentials.newBuilder().trustManager(File(args[1])).build()
    val channel =
        Grpc.newChannelBuilder(args[0], credentials)
            .defaultServiceConfig(ServiceConfig.load())
            .build()
    try {
        val rooms = RoomsServiceCoroutineStub(channel)
        val id = create(rooms)
        list(rooms)
        getMissing(rooms)
        update(rooms, id)
        delete(rooms, id)
    } finally {
        channel.shutdownNow()
    }
}

suspend fun create(rooms: RoomsServiceCoroutineStub): String {
    val request = createRoomRequest {
        requestId = UUID.randomUUID().toString()
        validUntil = timestamp { seconds = Instant.now().plusSeconds(3600).epochSecond }
        participants += participant {
            rawId =
                "8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_00000026-7637-da8c-08d5-363a0d005464"
            role = PARTICIPANT_ROLE_PRESENTER
        }
    }
    val room = rooms.withDeadlineAfter(10, SECONDS).createRoom(request).room
    println("created ${room.id}")
    return room.id
}

suspend fun list(rooms: RoomsServiceCoroutineStub) {
    val found = mutableListOf<Room>()
    var token = ""
    suspend fun read(request: ListRoomsRequest) =
        rooms.withDeadlineAfter(60, SECONDS).listRooms(request).collect { page ->
            found += page.roomsList
            token = page.nextPageToken
        }
    read(listRoomsRequest { maxPages = 1 })
    if (token.isNotEmpty()) read(listRoomsRequest { pageToken = token })
    println("listed ${found.size} rooms")
}

suspend fun getMissing(rooms: RoomsServiceCoroutineStub) {
    try {
        rooms.withDeadlineAfter(10, SECONDS).getRoom(getRoomRequest { roomId = "99400000000000000" })
    } catch (error: StatusException) {
        if (error.status.code != Code.NOT_FOUND) throw error
        println("not found: ${reason(error)}")
    }
}

fun reason(error: StatusException): String? =
    StatusProto.fromThrowable(error)
        ?.detailsList
        ?.firstOrNull { it.isA<ErrorInfo>() }
        ?.unpack<ErrorInfo>()
        ?.reason

suspend fun update(rooms: RoomsServiceCoroutineStub, id: String) {
    val request = updateRoomRequest {
        roomId = id
        pstnDialOutEnabled = false
    }
    try {
        rooms.withDeadlineAfter(500, MILLISECONDS).updateRoom(request)
        println("updated")
    } catch (error: StatusException) {
        if (error.status.code != Code.DEADLINE_EXCEEDED) throw error
        println("deadline exceeded")
    }
}

suspend fun delete(rooms: RoomsServiceCoroutineStub, id: String) {
    val request = deleteRoomRequest {
        roomId = id
        allowMissing = true
    }
    rooms.withDeadlineAfter(10, SECONDS).deleteRoom(request)
    println("deleted")
}
