# A real OpenID provider for tests: see docs/how-to/keycloak.md.
KEYCLOAK_VERSION := 26.7.3
KEYCLOAK := $(TOOLS)/keycloak-$(KEYCLOAK_VERSION)

.PHONY: test-keycloak
test-keycloak: prerequisites compiler tools $(KEYCLOAK)/bin/kc.sh ## log in with a real Keycloak (a JDK of 21 or later, Maven)
	KEYCLOAK=$(KEYCLOAK) $(GO) test -count=1 -timeout 10m ./.ci/keycloak

$(KEYCLOAK)/bin/kc.sh:
	@echo "keycloak: installing $(KEYCLOAK_VERSION) into .tools (once, about 180 MB)"
	@rm -rf $(KEYCLOAK) $(KEYCLOAK).part && mkdir -p $(KEYCLOAK).part
	@mvn -q -B dependency:copy -Dartifact=org.keycloak:keycloak-quarkus-dist:$(KEYCLOAK_VERSION):zip \
		-DoutputDirectory=$(KEYCLOAK).part -Dmdep.useBaseVersion=true
	@cd $(KEYCLOAK).part && python3 -m zipfile -e *.zip . && mv keycloak-$(KEYCLOAK_VERSION) $(KEYCLOAK)
	@rm -rf $(KEYCLOAK).part && chmod +x $@
