#!/bin/sh
# Creates Temporal's databases, or brings them to the schema of the server's version. Repeatable.
set -eu

for database in temporal temporal_visibility; do
    case $database in
    temporal) versions=/etc/temporal/schema/postgresql/v12/temporal/versioned ;;
    *) versions=/etc/temporal/schema/postgresql/v12/visibility/versioned ;;
    esac
    sql() {
        temporal-sql-tool --plugin postgres12 --endpoint postgresql --port 5432 \
            --user temporal --password "$POSTGRES_PASSWORD" --database "$database" "$@"
    }
    sql create-database
    # Fails harmlessly where the version table exists.
    sql setup-schema --schema-version 0.0 || true
    sql update-schema --schema-dir "$versions"
done
