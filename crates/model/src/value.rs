//! Values of typed shapes that are more than their JSON: blobs and secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that travel as base64 text. `Debug` tells only how many.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Blob(pub Bytes);

impl std::fmt::Debug for Blob {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Blob({} bytes)", self.0.len())
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(|bytes| Self(Bytes::from(bytes))).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

/// A value that the model marks as sensitive: it travels as it is, and `Debug` does not show it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Sensitive<T>(pub T);

impl<T> std::fmt::Debug for Sensitive<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::lambda::functions::{CreateFunctionRequest, FunctionConfiguration};
    use crate::lambda::invoke::InvocationResponse;

    #[test]
    fn a_request_is_read_and_keeps_its_secrets() {
        let request: CreateFunctionRequest = serde_json::from_value(json!({
            "FunctionName": "f",
            "Role": "arn:aws:iam::000000000000:role/r",
            "Code": {"ZipFile": "UEsFBg=="},
            "KMSKeyArn": "k",
            "Environment": {"Variables": {"TOKEN": "hunter2"}},
        }))
        .unwrap();
        assert_eq!(request.kms_key_arn.as_deref(), Some("k"));
        assert_eq!(request.code.zip_file.as_ref().unwrap().0.as_ref(), b"PK\x05\x06");
        let variables = request.environment.as_ref().unwrap().variables.as_ref().unwrap();
        assert_eq!(variables.0["TOKEN"], "hunter2");
        let shown = format!("{request:?}");
        assert!(!shown.contains("hunter2") && shown.contains("Blob(4 bytes)"), "{shown}");
    }

    #[test]
    fn an_answer_leaves_out_what_it_does_not_have() {
        let configuration =
            FunctionConfiguration { timeout: Some(3), code_sha256: Some("x".to_owned()), ..Default::default() };
        assert_eq!(serde_json::to_value(configuration).unwrap(), json!({"Timeout": 3, "CodeSha256": "x"}));
        let response = InvocationResponse { executed_version: Some("1".to_owned()), ..Default::default() };
        assert_eq!(serde_json::to_value(response).unwrap(), json!({"ExecutedVersion": "1"}));
    }

    #[test]
    fn what_is_not_base64_is_no_blob() {
        assert!(serde_json::from_value::<super::Blob>(json!("not base64!")).is_err());
    }
}
