//! AWS Signature Version 4: verifying requests, and signing them for the command line.
