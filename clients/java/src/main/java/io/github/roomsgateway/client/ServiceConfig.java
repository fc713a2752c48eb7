package io.github.roomsgateway.client;

import com.google.gson.Gson;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** The gRPC service config of Rooms Gateway: retries, timeouts, load balancing, health checks. */
public final class ServiceConfig {
  private ServiceConfig() {}

  /** Returns the service config in the form of ManagedChannelBuilder.defaultServiceConfig. */
  @SuppressWarnings("unchecked")
  public static Map<String, ?> load() {
    try (Reader json =
        new InputStreamReader(
            ServiceConfig.class.getResourceAsStream("service_config.json"),
            StandardCharsets.UTF_8)) {
      return new Gson().fromJson(json, Map.class);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }
}
