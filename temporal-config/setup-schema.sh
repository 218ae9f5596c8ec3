#!/bin/sh
# Makes Temporal's two databases, or brings them to this server's schema. Runs in temporalio/admin-tools with
# SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER and SQL_PASSWORD set; again with the same outcome.
set -eu

schema() {
    database=$1 versions=/etc/temporal/schema/postgresql/v12/$2/versioned
    tool="temporal-sql-tool --plugin $SQL_PLUGIN --ep $SQL_HOST -p $SQL_PORT -u $SQL_USER --db $database"
    # Only a database that is new gets version 0.0; both fail on one that is there already.
    $tool create && $tool setup-schema -v 0.0 || echo "$database is there already"
    $tool update-schema -d "$versions"
}

schema temporal temporal
schema temporal_visibility visibility
