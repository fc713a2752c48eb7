# The source archive: consumers generate the code, because it has to match their protobuf.
.PHONY: client-cpp
CPP_ARCHIVE := dist/clients/cpp/rooms_gateway_client-$(VERSION).tar.gz
client-cpp: $(CPP_ARCHIVE)

CPP_FOLDER := .tools/cpp/$(basename $(basename $(notdir $(CPP_ARCHIVE))))
CPP_FILES := $(addprefix clients/cpp/,CMakeLists.txt README.md rooms_gateway_client-config.cmake service_config.h.in) \
	deploy/client/service_config.json LICENSE
$(CPP_ARCHIVE): $(CPP_FILES) protos/strip.py $(shell find protos/acs -name '*.proto') clients/cpp/build.mk | $(VENV)/.run
	@echo "Packaging the C++ client …"
	@rm -rf $(CPP_FOLDER)
	@$(BIN)/python protos/strip.py $(CPP_FOLDER)/protos
	@mkdir -p $(CPP_FOLDER)/protos/google/rpc $(@D)
	@cp $(CPP_FILES) $(CPP_FOLDER)
	@cp $(addprefix $(VENV)/lib/python3*/site-packages/google/rpc/,error_details.proto status.proto) \
		$(CPP_FOLDER)/protos/google/rpc
	@tar -C $(dir $(CPP_FOLDER)) -czf $@ $(notdir $(CPP_FOLDER))

# The load program of the tests that restart gateways.
.tools/cpp-load/load: $(CPP_ARCHIVE) $(wildcard tests/clients/cpp-load/*)
	@echo "Building the C++ load program for the tests (once, some two minutes) …"
	@cmake -S tests/clients/cpp-load -B $(@D) -DARCHIVE=$(CURDIR)/$(CPP_ARCHIVE) >/dev/null
	@cmake --build $(@D) >/dev/null
	@touch $@
