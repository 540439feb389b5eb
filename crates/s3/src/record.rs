//! What is kept of buckets, objects, and uploads in parts.

use serde::{Deserialize, Serialize};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use uuid::Uuid;

use crate::checksums::Algorithm;
use crate::cors::CorsRule;
use crate::notifications::Notifications;

/// A bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    /// What its objects lie under.
    pub(crate) id: Uuid,
    pub(crate) scope: Scope,
    pub(crate) created_ms: UnixMs,
    #[serde(default)]
    pub(crate) versioning: Versioning,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
    /// As it was put.
    #[serde(default)]
    pub(crate) policy: Option<String>,
    #[serde(default)]
    pub(crate) public_access: Option<PublicAccess>,
    /// `BucketOwnerEnforced` and so on.
    #[serde(default)]
    pub(crate) ownership: Option<String>,
    #[serde(default)]
    pub(crate) cors: Vec<CorsRule>,
    #[serde(default)]
    pub(crate) notifications: Notifications,
    /// Whether keys of buckets are asked for, which has no meaning without KMS but is told back.
    #[serde(default)]
    pub(crate) bucket_key: bool,
}

impl Bucket {
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:s3:::{}", self.name)
    }

    /// Whether access control lists are off, which is how buckets begin.
    pub(crate) fn is_owner_enforced(&self) -> bool {
        self.ownership.as_deref() == Some(OWNER_ENFORCED)
    }
}

/// The ownership under which access control lists are off.
pub(crate) const OWNER_ENFORCED: &str = "BucketOwnerEnforced";

/// Whether older versions of objects are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Versioning {
    /// Never were.
    #[default]
    Off,
    Enabled,
    /// No more; those that there are stay.
    Suspended,
}

/// What keeps a bucket from being public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublicAccess {
    pub(crate) block_acls: bool,
    pub(crate) ignore_acls: bool,
    pub(crate) block_policy: bool,
    pub(crate) restrict_buckets: bool,
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// A version of an object, or a marker that says that the object is deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) key: String,
    /// None for the one that AWS calls `null`.
    pub(crate) id: Option<String>,
    /// Grows with every change of the key.
    pub(crate) sequence: u64,
    pub(crate) modified_ms: UnixMs,
    #[serde(default)]
    pub(crate) is_marker: bool,
    #[serde(default)]
    pub(crate) size: u64,
    /// Without quotes.
    #[serde(default)]
    pub(crate) etag: String,
    #[serde(default)]
    pub(crate) sum: Option<Sum>,
    #[serde(default)]
    pub(crate) about: About,
    #[serde(default)]
    pub(crate) content: Content,
}

impl Version {
    /// As AWS names it in versioned buckets.
    pub(crate) fn id_text(&self) -> &str {
        self.id.as_deref().unwrap_or("null")
    }

    pub(crate) fn has_id(&self, wanted: &str) -> bool {
        self.id_text() == wanted
    }
}

/// What a user says of an object: what goes with its bytes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct About {
    #[serde(default)]
    pub(crate) content_type: Option<String>,
    #[serde(default)]
    pub(crate) content_encoding: Option<String>,
    #[serde(default)]
    pub(crate) content_disposition: Option<String>,
    #[serde(default)]
    pub(crate) content_language: Option<String>,
    #[serde(default)]
    pub(crate) cache_control: Option<String>,
    /// In milliseconds since 1970.
    #[serde(default)]
    pub(crate) expires_ms: Option<UnixMs>,
    /// By lower-case name.
    #[serde(default)]
    pub(crate) metadata: Vec<(String, String)>,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
    /// None for `STANDARD`.
    #[serde(default)]
    pub(crate) storage_class: Option<String>,
}

/// A checksum of an object or part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) algorithm: Algorithm,
    /// In base64; of one that is of the checksums of parts, with their number.
    pub(crate) value: String,
    /// Of the checksums of the parts and not of the bytes.
    #[serde(default)]
    pub(crate) is_composite: bool,
}

/// Where the bytes of an object are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Content {
    /// There are none.
    #[default]
    Empty,
    /// In one file.
    File(Uuid),
    /// In the files of a manifest, of which there are so many.
    Parts { manifest: Uuid, count: u32 },
}

impl Content {
    /// What readers hold on to.
    pub(crate) fn id(self) -> Option<Uuid> {
        match self {
            Self::Empty => None,
            Self::File(id) | Self::Parts { manifest: id, .. } => Some(id),
        }
    }
}

/// An upload in parts that is under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) id: Uuid,
    pub(crate) begun_ms: UnixMs,
    pub(crate) about: About,
    pub(crate) algorithm: Algorithm,
    pub(crate) is_composite: bool,
    /// Whether the checksum was asked for; AWS tells only then which it is.
    pub(crate) is_asked: bool,
}

/// A part: of an upload under way, or of an object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) number: i32,
    /// None for one without bytes.
    pub(crate) file: Option<Uuid>,
    pub(crate) size: u64,
    /// In hexadecimal digits.
    pub(crate) md5: String,
    pub(crate) sum: Sum,
    pub(crate) modified_ms: UnixMs,
}
