# The Kotlin package, in a Maven repository below dist; clients/java/build.mk has MVN and DEPLOY.
KOTLIN_CLIENT := io/github/roomsgateway/rooms-gateway-client-kotlin

.PHONY: client-kotlin

client-kotlin: dist/clients/kotlin/$(KOTLIN_CLIENT)/maven-metadata.xml ## Build the Kotlin package into dist/clients/kotlin, a Maven repository.

dist/clients/kotlin/$(KOTLIN_CLIENT)/maven-metadata.xml: clients/kotlin/pom.xml \
		dist/clients/java/$(JAVA_CLIENT)/maven-metadata.xml
	@echo "Building the Kotlin client (once, about a minute) …"
	@rm -rf .tools/kotlin dist/clients/kotlin .tools/maven/$(KOTLIN_CLIENT)
	@$(MVN) -f clients/kotlin/pom.xml $(DEPLOY)/kotlin
