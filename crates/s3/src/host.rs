//! Buckets in host names: `BUCKET.s3.localhost`, `BUCKET.s3.REGION.localhost`, `BUCKET.localhost`, and those of AWS.

use std::borrow::Cow;

use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

/// Names that lead to this machine, or that AWS has and may be made to.
const DOMAINS: [&str; 2] = ["localhost", "amazonaws.com"];

/// What a host says of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Named<'a> {
    bucket: Option<&'a str>,
    /// Whether S3 itself is named.
    is_s3: bool,
}

fn read(host: &str) -> Option<Named<'_>> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let inside = |domain: &&str| name.strip_suffix(*domain)?.strip_suffix('.');
    let (domain, rest) = DOMAINS.iter().find_map(|domain| Some((*domain, inside(domain)?)))?;
    let of_service = |labels: &str| labels == "s3" || labels.strip_prefix("s3.").is_some_and(is_region);
    if of_service(rest) {
        return Some(Named { bucket: None, is_s3: true });
    }
    // The bucket may have dots and even be called like a service: what counts is the last place where S3 begins.
    let ends = rest.match_indices(".s3").map(|(at, _)| at).filter(|at| of_service(&rest[at + 1..]));
    if let Some(at) = ends.last() {
        return Some(Named { bucket: Some(&rest[..at]), is_s3: true });
    }
    (domain == "localhost" && !rest.is_empty()).then_some(Named { bucket: Some(rest), is_s3: false })
}

fn is_region(text: &str) -> bool {
    !text.contains('.') && text.split('-').count() >= 3
}

/// The bucket that a host names.
#[must_use]
pub fn bucket_of_host(host: &str) -> Option<&str> {
    read(host)?.bucket
}

/// Whether a host names S3 itself.
#[must_use]
pub fn is_host_of_s3(host: &str) -> bool {
    read(host).is_some_and(|named| named.is_s3)
}

/// Tells the wire layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hosts;

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let virtual_host = VirtualHost::new(Cow::Borrowed(host));
        Ok(match bucket_of_host(host) {
            Some(bucket) => virtual_host.with_bucket(bucket),
            None => virtual_host,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_name_buckets() {
        for (host, bucket, is_s3) in [
            ("127.0.0.1:3000", None, false),
            ("localhost:3000", None, false),
            ("s3.localhost:3000", None, true),
            ("s3.eu-west-1.localhost:3000", None, true),
            ("b.s3.localhost:3000", Some("b"), true),
            ("a.b.s3.eu-west-1.localhost", Some("a.b"), true),
            ("b.localhost:3000", Some("b"), false),
            ("b.s3.amazonaws.com", Some("b"), true),
            ("b.s3.us-east-1.amazonaws.com", Some("b"), true),
            ("lambda.us-east-1.amazonaws.com", None, false),
            ("x.s3.s3.localhost", Some("x.s3"), true),
            ("example.com", None, false),
        ] {
            assert_eq!((bucket_of_host(host), is_host_of_s3(host)), (bucket, is_s3), "{host}");
        }
    }
}
