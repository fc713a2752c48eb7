import com.azure.communication.identity.CommunicationIdentityClientBuilder;
import com.azure.communication.identity.models.CommunicationTokenScope;
import com.azure.communication.rooms.RoomsClient;
import com.azure.communication.rooms.RoomsClientBuilder;
import com.azure.communication.rooms.models.CreateRoomOptions;
import com.azure.core.credential.AccessToken;
import com.azure.core.credential.TokenCredential;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.stream.Collectors;
import reactor.core.publisher.Mono;

/**
 * Uses Microsoft's unmodified clients over https, with a key and with a bearer token, and prints a
 * line of JSON. Arguments: a connection string, a bearer token.
 */
public final class Walk {
  public static void main(String[] arguments) {
    String connectionString = arguments[0];
    String endpoint = connectionString.replaceFirst("endpoint=(.*);accesskey=.*", "$1");
    TokenCredential token =
        request ->
            Mono.just(new AccessToken(arguments[1], OffsetDateTime.now().plusHours(1)));

    RoomsClient withKey =
        new RoomsClientBuilder().connectionString(connectionString).buildClient();
    RoomsClient withToken =
        new RoomsClientBuilder().endpoint(endpoint).credential(token).buildClient();
    String created = withKey.createRoom(new CreateRoomOptions()).getRoomId();
    String user =
        new CommunicationIdentityClientBuilder()
            .connectionString(connectionString)
            .buildClient()
            .createUserAndToken(List.of(CommunicationTokenScope.VOIP))
            .getUser()
            .getId();
    String otherUser =
        new CommunicationIdentityClientBuilder()
            .endpoint(endpoint)
            .credential(token)
            .buildClient()
            .createUser()
            .getId();
    System.out.printf(
        "{\"created\": \"%s\", \"rooms\": %s, \"roomsWithToken\": %s, \"users\": [\"%s\", \"%s\"]}%n",
        created, list(withKey), list(withToken), user, otherUser);
    System.exit(0);
  }

  private static String list(RoomsClient client) {
    return client.listRooms().stream()
        .map(room -> '"' + room.getRoomId() + '"')
        .collect(Collectors.joining(", ", "[", "]"));
  }
}
