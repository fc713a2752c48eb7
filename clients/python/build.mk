client-python: dist/clients/python/built ## Build the wheel of the Python client.

dist/clients/python/built: $(shell find generated/python -name "*.py*" -o -name "*.toml") $(VENV)/.dev
	@rm -rf $(@D)
	@cd generated/python && $(abspath $(BIN))/python -m hatchling build --target wheel --directory $(abspath $(@D)) > /dev/null
	@touch $@

# The floors of its dependencies, which need Python 3.11 or older.
.tools/oldest-grpcio/installed: clients/python/oldest.lock $(VENV)/.build
	@$(BIN)/uv venv --quiet --clear --python 3.11 $(@D)
	@$(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes --no-deps -r $<
	@touch $@
