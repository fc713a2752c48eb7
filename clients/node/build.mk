# Everything is built in .tools/client-node, so that nothing generated is left beside the sources.
NODE := .tools/client-node
NODE_SOURCES := $(wildcard $(addprefix clients/node/,buf.gen.yaml tsconfig.json README.md src/*.ts))
NODE_PACKAGE := dist/clients/node/rooms-gateway-client-0.1.0.tgz

.PHONY: client-node
client-node: $(NODE_PACKAGE) $(NODE)/load.mjs

$(NODE)/node_modules/.package-lock.json: clients/node/package.json clients/node/package-lock.json clients/node/.npmrc
	@echo "Installing the tools of the Node client (once, some 10 seconds) …"
	@mkdir -p $(NODE) && cp $^ $(NODE)
	@cd $(NODE) && npm ci --silent
	@touch $@

$(NODE_PACKAGE): $(NODE)/node_modules/.package-lock.json $(NODE_SOURCES) deploy/client/service_config.json $(shell find protos/acs -name '*.proto') $(VENV)/.run
	@echo "Building the Node client (some 5 seconds) …"
	@rm -rf $(NODE)/src $(NODE)/lib $(NODE)/protos
	@mkdir -p $(NODE)/protos/google/rpc $(@D)
	@cp $(VENV)/lib/python3*/site-packages/google/rpc/error_details.proto $(VENV)/lib/python3*/site-packages/google/rpc/status.proto $(NODE)/protos/google/rpc
	@cp -r LICENSE $(addprefix clients/node/,README.md tsconfig.json src) $(NODE)
	@$(BIN)/buf generate --template clients/node/buf.gen.yaml
	@{ printf 'export const serviceConfig = JSON.stringify('; cat deploy/client/service_config.json; echo ');'; } > $(NODE)/src/generated/service_config.ts
	@cd $(NODE) && node_modules/.bin/tsc && npm pack --silent --pack-destination ../../$(@D) > /dev/null

# In the folder of the package, programs import it by its name.
$(NODE)/load.mjs: tests/clients/node-load/load.mjs $(NODE_PACKAGE)
	@cp $< $@
