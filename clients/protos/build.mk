PROTOS_ARCHIVE := dist/clients/protos/rooms-gateway-protos-$(VERSION).tar.gz
PROTOS_ARCHIVED := LICENSE deploy/client/service_config.json generated/python/acs/descriptors.binpb

client-protos: $(PROTOS_ARCHIVE) ## Build the archive of the protos, with and without validation rules.

$(PROTOS_ARCHIVE): $(shell find protos -name "*.proto") protos/strip.py $(PROTOS_ARCHIVED) $(VENV)/.build
	@rm -rf $(@D) && mkdir -p $(@D)/archive/protos
	@cp $(PROTOS_ARCHIVED) $(@D)/archive
	@cp -R protos/acs protos/buf $(@D)/archive/protos
	@$(BIN)/python protos/strip.py $(@D)/archive/client-protos
	@tar -czf $@ -C $(@D)/archive --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner .
	@rm -r $(@D)/archive
