# The Java package, in a Maven repository below dist. Maven keeps its downloads in .tools.
MVN := mvn -q -B -s clients/java/settings.xml -Dcheckout=$(CURDIR)
DEPLOY := deploy -Dmaven.install.skip -Dmaven.test.skip -DaltDeploymentRepository=dist::file://$(CURDIR)/dist/clients
JAVA_CLIENT := io/github/roomsgateway/rooms-gateway-client

.PHONY: client-java client-java-load

client-java: dist/clients/java/$(JAVA_CLIENT)/maven-metadata.xml ## Build the Java package into dist/clients/java, a Maven repository.

# Without the copy in .tools, builds that use the package get the new one.
dist/clients/java/$(JAVA_CLIENT)/maven-metadata.xml: clients/java/pom.xml \
		$(shell find clients/java/src protos -name '*.java' -o -name '*.proto') protos/strip.py \
		deploy/client/service_config.json
	@echo "Building the Java client (once, about a minute) …"
	@rm -rf .tools/java dist/clients/java .tools/maven/$(JAVA_CLIENT)
	@$(PYTHON) protos/strip.py .tools/java/protos
	@$(MVN) -f clients/java/pom.xml $(DEPLOY)/java

# The load program of the tests that restart gateways.
client-java-load: dist/clients/java-load/load.jar

dist/clients/java-load/load.jar: $(shell find tests/clients/java-load -type f) \
		dist/clients/java/$(JAVA_CLIENT)/maven-metadata.xml
	@echo "Building the Java load program for the tests (once) …"
	@$(MVN) -f tests/clients/java-load/pom.xml clean package dependency:copy-dependencies
