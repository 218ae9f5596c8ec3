#!/bin/sh
# Makes the namespace and its search attributes; again with the same outcome. Needs the `temporal` command and
# TEMPORAL_ADDRESS; TEMPORAL_NAMESPACE and RETENTION are optional.
set -eu

namespace=${TEMPORAL_NAMESPACE:-default}
retention=${RETENTION:-30d}

until temporal operator cluster health >/dev/null 2>&1; do
    sleep 1
done
if temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1; then
    temporal operator namespace update --namespace "$namespace" --retention "$retention"
else
    temporal operator namespace create --namespace "$namespace" --retention "$retention"
fi
for name in CodeAIKind CodeAIEntity CodeAIStatus CodeAITriggeredBy; do
    temporal operator search-attribute create --namespace "$namespace" --name "$name" --type Keyword
done
