//! S3: buckets and objects, with notifications.
//!
//! The wire layer (`s3s`: routes, XML, signatures, chunks) gives typed requests; what they mean is here. Records are in the store,
//! each change of a key one commit with compare-and-set and with whatever is to be told of it; bytes are in files beside the
//! store ([`files`]), written and made durable before a record names them. [`S3Service::serve`] is the walk of a request.
//!
//! It does not know listeners, nor whose keys are whose: [`Visitor`] says who asks and what they may do.

mod access;
mod api;
mod attributes;
mod buckets;
mod changes;
mod checksums;
mod chunked;
mod conditions;
mod configuration;
mod copies;
mod cors;
mod deletes;
mod errors;
mod failure;
mod files;
mod gets;
mod host;
mod intake;
mod inward;
mod keys;
mod listing;
mod multipart;
mod notifications;
mod outflow;
mod patience;
mod policies;
mod puts;
mod record;
mod serve;
mod service;
mod tagging;
mod versions;
mod visitor;

pub use host::{bucket_of_host, is_host_of_s3};
pub use inward::ObjectError;
pub use notifications::Destinations;
pub use serve::refusal;
pub use service::{S3Error, S3Service};
pub use visitor::{Rights, Visitor};
