//! What only the inside can see: transactions per commit, checksums of records, schema versions.
