import com.google.gson.Gson;
import io.github.roomsgateway.acs.rooms.debug.v1.DryRun;
import io.github.roomsgateway.acs.rooms.v1.CreateRoomRequest;
import io.github.roomsgateway.acs.rooms.v1.RoomsServiceGrpc;
import io.github.roomsgateway.client.ServiceConfig;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.NameResolverRegistry;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** Makes dry runs of CreateRoom through all targets until standard input is closed. */
public class Load {
  private static final int CALLERS = 8;

  private record Result(long served, Map<String, Long> failed) {}

  private final Map<String, Long> failed = new TreeMap<>();
  private long served;
  private volatile boolean stopping;

  public static void main(String[] args) throws IOException, InterruptedException {
    NameResolverRegistry.getDefaultRegistry().register(new StaticResolverProvider());
    var load = new Load();
    load.run(StaticResolverProvider.SCHEME + ":///" + String.join(",", args));
    System.out.println(new Gson().toJson(new Result(load.served, load.failed)));
  }

  private void run(String target) throws IOException, InterruptedException {
    var channel = Grpc.newChannelBuilder(target, InsecureChannelCredentials.create())
        .defaultServiceConfig(ServiceConfig.load())
        .build();
    var rooms = RoomsServiceGrpc.newBlockingStub(channel);
    var callers = Executors.newFixedThreadPool(CALLERS);
    for (int caller = 0; caller < CALLERS; caller++) {
      callers.execute(() -> callUntilStopped(rooms));
    }
    while (System.in.read() >= 0) {}
    stopping = true;
    callers.shutdown();
    callers.awaitTermination(60, TimeUnit.SECONDS);
    channel.shutdownNow();
  }

  private void callUntilStopped(RoomsServiceGrpc.RoomsServiceBlockingStub rooms) {
    var request = CreateRoomRequest.newBuilder().setDryRun(DryRun.getDefaultInstance()).build();
    while (!stopping) {
      try {
        rooms.createRoom(request);
        count(null);
      } catch (StatusRuntimeException error) {
        count(error.getStatus().getCode().name());
      }
    }
  }

  private synchronized void count(String failure) {
    if (failure == null) served++;
    else failed.merge(failure, 1L, Long::sum);
  }
}
