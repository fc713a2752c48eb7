# The crate, as `cargo publish` uploads it.
.PHONY: client-rust
RUST_CRATE := dist/clients/rust/rooms-gateway-client-$(VERSION).crate
client-rust: $(RUST_CRATE)

$(RUST_CRATE): .tools/rust/generated $(wildcard clients/rust/*.* clients/rust/src/*.rs) LICENSE
	@echo "Packaging the Rust client …"
	@cargo package --quiet --no-verify --allow-dirty --manifest-path clients/rust/Cargo.toml \
		--package rooms-gateway-client --target-dir .tools/rust/target
	@mkdir -p $(@D)
	@cp .tools/rust/target/package/$(@F) $@

.tools/rust/generated: clients/rust/buf.gen.yaml .tools/rust/plugins $(shell find protos/acs -name '*.proto') | $(VENV)/.build
	@$(BIN)/buf generate --template $<
	@touch $@

.tools/rust/plugins: clients/rust/build.mk
	@echo "Building the Rust plugins of protoc (once, about two minutes) …"
	@cargo install --quiet --locked --debug --root .tools/rust protoc-gen-prost@0.5.0 protoc-gen-tonic@0.5.0
	@touch $@

# The load program of the tests that restart gateways.
.tools/rust-load: .tools/rust/generated $(shell find tests/clients/rust-load clients/rust/src -type f)
	@echo "Building the Rust load program for the tests (once, about a minute) …"
	@cargo build --quiet --manifest-path tests/clients/rust-load/Cargo.toml \
		--target-dir .tools/rust/target
	@cp .tools/rust/target/debug/load $@
