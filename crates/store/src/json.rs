//! Records that are JSON: read and written as the types they hold.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Batch, Metadata, Precondition, Record, StoreError};

/// A decoded record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// Its key.
    pub key: String,
    /// What it holds.
    pub value: T,
    /// For [`Precondition::Revision`].
    pub revision: u64,
}

impl<T: DeserializeOwned> Versioned<T> {
    /// Decodes a record.
    ///
    /// # Errors
    /// When the value is not the JSON of a `T`; the error names the key.
    pub fn decode(record: Record) -> Result<Self, StoreError> {
        match serde_json::from_slice(&record.value) {
            Ok(value) => Ok(Self { key: record.key, value, revision: record.revision }),
            Err(error) => Err(StoreError::storage(format!("understand the record {}", record.key), error)),
        }
    }
}

/// Typed reading for every [`Metadata`].
pub trait JsonRecords {
    /// The record of a key, decoded.
    fn get_json<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<Option<Versioned<T>>, StoreError>> + Send;

    /// [`Metadata::list`], decoded.
    fn list_json<T: DeserializeOwned>(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Versioned<T>>, StoreError>> + Send;
}

impl<M: Metadata + ?Sized> JsonRecords for M {
    async fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<Versioned<T>>, StoreError> {
        self.get(key).await?.map(Versioned::decode).transpose()
    }

    async fn list_json<T: DeserializeOwned>(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Versioned<T>>, StoreError> {
        self.list(prefix, after, limit).await?.into_iter().map(Versioned::decode).collect()
    }
}

/// Typed writing for [`Batch`].
pub trait JsonBatch: Sized {
    /// Adds the write of a value as JSON.
    ///
    /// # Errors
    /// When the value cannot be JSON (a map with keys that are not strings).
    fn put_json<T: Serialize>(
        self,
        key: impl Into<String>,
        precondition: Precondition,
        value: &T,
    ) -> Result<Self, StoreError>;
}

impl JsonBatch for Batch {
    fn put_json<T: Serialize>(
        self,
        key: impl Into<String>,
        precondition: Precondition,
        value: &T,
    ) -> Result<Self, StoreError> {
        let key = key.into();
        match serde_json::to_vec(value) {
            Ok(bytes) => Ok(self.put(key, precondition, bytes)),
            Err(error) => Err(StoreError::storage(format!("encode the record {key}"), error)),
        }
    }
}
