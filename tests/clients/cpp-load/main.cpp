// Makes dry runs of CreateRoom through all TARGETs from 8 callers until standard input is closed, and
// prints how many succeeded, and how many failed with each code: `load TARGET...`.

#include <acs/rooms/v1/rooms_service.grpc.pb.h>
#include <grpcpp/grpcpp.h>
#include <rooms_gateway_client/service_config.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace acs::rooms::v1;
using namespace std::chrono_literals;

int main(int argc, char** argv) {
  std::string target = "ipv4:";
  for (int i = 1; i < argc; ++i) target += (i > 1 ? "," : "") + std::string(argv[i]);
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(rooms_gateway_client::kServiceConfig);
  const auto rooms = RoomsService::NewStub(
      grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments));

  std::atomic<bool> ended = false;
  std::mutex lock;
  std::map<int, int> calls;
  const auto call_until = [&] {
    while (!ended) {
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + 30s);
      CreateRoomRequest request;
      request.mutable_dry_run();
      CreateRoomResponse response;
      const int code = rooms->CreateRoom(&context, request, &response).error_code();
      const std::lock_guard<std::mutex> held(lock);
      ++calls[code];
    }
  };
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) callers.emplace_back(call_until);
  while (std::cin.get() != EOF) {
  }
  ended = true;
  for (auto& caller : callers) caller.join();

  std::cout << "{\"served\": " << calls[grpc::OK] << ", \"failed\": {";
  calls.erase(grpc::OK);
  const char* separator = "";
  for (const auto& [code, count] : calls) {
    std::cout << separator << '"' << code << "\": " << count;
    separator = ", ";
  }
  std::cout << "}}\n";
}
