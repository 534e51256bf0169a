#!/bin/sh
# Creates the namespace with its retention and our search attributes. Repeatable.
set -eu

export TEMPORAL_ADDRESS=temporal:7233

temporal operator namespace describe --namespace default >/dev/null 2>&1 ||
    temporal operator namespace create --namespace default --retention 7d

temporal operator search-attribute create --namespace default \
    --name OrganizationId --type Keyword \
    --name FlowId --type Keyword \
    --name FlowVersion --type Int \
    --name FlowExecutionId --type Keyword \
    --name InteractiveWorkflowId --type Keyword
