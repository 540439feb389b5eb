//! Wire shapes, constraints and error codes of the AWS APIs that Tindra serves, and request signing.
