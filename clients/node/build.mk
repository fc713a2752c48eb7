# Everything is built in .tools/client-node, so that nothing generated is left beside the sources.
NODE_BUILD := .tools/client-node
NODE_SOURCES := $(wildcard $(addprefix clients/node/,buf.gen.yaml tsconfig.json README.md src/*.ts))
NODE_VERSION := $(shell sed -n 's/^  "version": "\(.*\)",/\1/p' clients/node/package.json)
NODE_PACKAGE := dist/clients/node/rooms-gateway-client-$(NODE_VERSION).tgz

client-node: $(NODE_PACKAGE) $(NODE_BUILD)/load.mjs ## Build the npm package, for Node and TypeScript.

$(NODE_BUILD)/node_modules/.package-lock.json: clients/node/package.json clients/node/package-lock.json clients/node/.npmrc
	@echo "Installing the tools of the Node client (once, some 10 seconds) …"
	@mkdir -p $(NODE_BUILD) && cp $^ $(NODE_BUILD)
	@cd $(NODE_BUILD) && npm ci --silent
	@touch $@

$(NODE_PACKAGE): $(NODE_BUILD)/node_modules/.package-lock.json $(NODE_SOURCES) deploy/client/service_config.json $(shell find protos/acs -name '*.proto') $(VENV)/.run
	@echo "Building the Node client (some 5 seconds) …"
	@rm -rf $(NODE_BUILD)/src $(NODE_BUILD)/lib $(NODE_BUILD)/protos $(@D)
	@mkdir -p $(NODE_BUILD)/protos/google/rpc $(@D)
	@cp $(VENV)/lib/python3*/site-packages/google/rpc/error_details.proto $(VENV)/lib/python3*/site-packages/google/rpc/status.proto $(NODE_BUILD)/protos/google/rpc
	@cp -r LICENSE $(addprefix clients/node/,README.md tsconfig.json src) $(NODE_BUILD)
	@$(BIN)/buf generate --template clients/node/buf.gen.yaml
	@{ printf 'export const serviceConfig = JSON.stringify('; cat deploy/client/service_config.json; echo ');'; } > $(NODE_BUILD)/src/generated/service_config.ts
	@cd $(NODE_BUILD) && node_modules/.bin/tsc && npm pack --silent --pack-destination ../../$(@D) > /dev/null

# In the folder of the package, programs import it by its name.
$(NODE_BUILD)/load.mjs: tests/clients/node-load/load.mjs $(NODE_PACKAGE)
	@cp $< $@
