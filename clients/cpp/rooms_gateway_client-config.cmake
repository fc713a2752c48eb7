include(CMakeFindDependencyMacro)
find_dependency(gRPC CONFIG)
include(${CMAKE_CURRENT_LIST_DIR}/rooms_gateway_client-targets.cmake)
