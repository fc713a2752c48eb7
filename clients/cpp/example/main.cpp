// Creates, lists, updates and deletes rooms.

#include <acs/rooms/v1/rooms_service.grpc.pb.h>
#include <google/protobuf/util/time_util.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/grpcpp.h>
#include <rooms_gateway_client/service_config.h>

#include <chrono>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>

using namespace acs::rooms::v1;
using namespace std::chrono_literals;

std::shared_ptr<grpc::Channel> Connect(const std::string& target, const char* ca_file) {
  auto credentials = grpc::InsecureChannelCredentials();
  if (ca_file != nullptr) {
    std::ifstream file(ca_file);
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs.assign(std::istreambuf_iterator<char>(file), {});
    credentials = grpc::SslCredentials(tls);
  }
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(rooms_gateway_client::kServiceConfig);
  return grpc::CreateCustomChannel(target, credentials, arguments);
}

struct Context : grpc::ClientContext {
  explicit Context(std::chrono::milliseconds timeout) {
    set_deadline(std::chrono::system_clock::now() + timeout);
  }
};

std::string Reason(const grpc::Status& error) {
  google::rpc::Status status;
  status.ParseFromString(error.error_details());
  google::rpc::ErrorInfo info;
  for (const auto& detail : status.details()) {
    if (detail.UnpackTo(&info)) break;
  }
  return info.reason();
}

void Check(const grpc::Status& status) {
  if (!status.ok()) throw std::runtime_error(Reason(status) + " " + status.error_message());
}

// Counts the rooms on all pages from a page token to the end.
int CountAfter(RoomsService::Stub& rooms, std::string token) {
  int count = 0;
  for (int attempts = 1; !token.empty(); ++attempts) {
    Context context(300s);
    ListRoomsRequest request;
    request.set_page_token(token);
    const auto pages = rooms.ListRooms(&context, request);
    for (ListRoomsResponse page; pages->Read(&page); attempts = 0) {
      count += page.rooms_size();
      token = page.next_page_token();
    }
    const grpc::Status status = pages->Finish();
    const auto code = status.error_code();
    const bool may_resume = code == grpc::UNAVAILABLE || code == grpc::CANCELLED;
    if (!may_resume || attempts == 3) Check(status);
  }
  return count;
}

std::string Uuid() {
  std::random_device random;
  std::string text = "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx";
  for (char& digit : text) {
    if (digit == 'x') digit = "0123456789abcdef"[random() % 16];
  }
  return text;
}

void Run(RoomsService::Stub& rooms) {
  CreateRoomRequest create;
  create.set_request_id(Uuid());
  *create.mutable_valid_until() =
      google::protobuf::util::TimeUtil::TimeTToTimestamp(std::time(nullptr) + 3600);
  Participant& presenter = *create.add_participants();
  presenter.set_raw_id("8:acs:" + Uuid() + "_" + Uuid());
  presenter.set_role(PARTICIPANT_ROLE_PRESENTER);
  CreateRoomResponse created;
  Context creating(10s);
  Check(rooms.CreateRoom(&creating, create, &created));
  std::cout << "created " << created.room().id() << '\n';

  ListRoomsRequest list;
  list.set_max_pages(1);
  ListRoomsResponse page;
  Context listing(10s);
  const auto pages = rooms.ListRooms(&listing, list);
  pages->Read(&page);
  Check(pages->Finish());
  const int count = page.rooms_size() + CountAfter(rooms, page.next_page_token());
  std::cout << "listed " << count << " rooms\n";

  GetRoomRequest get;
  get.set_room_id("99400000000000000");
  GetRoomResponse got;
  Context getting(10s);
  const grpc::Status missing = rooms.GetRoom(&getting, get, &got);
  if (missing.error_code() != grpc::NOT_FOUND) Check(missing);
  std::cout << "not found: " << Reason(missing) << '\n';

  UpdateRoomRequest update;
  update.set_room_id(created.room().id());
  update.set_pstn_dial_out_enabled(false);
  UpdateRoomResponse updated;
  Context updating(500ms);
  const grpc::Status late = rooms.UpdateRoom(&updating, update, &updated);
  if (late.error_code() != grpc::DEADLINE_EXCEEDED) Check(late);
  std::cout << (late.ok() ? "updated\n" : "deadline exceeded\n");

  DeleteRoomRequest remove;
  remove.set_room_id(created.room().id());
  remove.set_allow_missing(true);
  DeleteRoomResponse removed;
  Context removing(10s);
  Check(rooms.DeleteRoom(&removing, remove, &removed));
  std::cout << "deleted\n";
}

int main(int argc, char** argv) try {
  if (argc < 2) throw std::runtime_error("usage: example TARGET [CA_FILE]");
  const auto rooms = RoomsService::NewStub(Connect(argv[1], argv[2]));
  Run(*rooms);
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
