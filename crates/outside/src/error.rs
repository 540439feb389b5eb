//! Why something could not be handed over, whether that may pass, and what to do.

use super::OutsideService;

/// Codes of refusals that pass on their own although their status is not 5xx: throttling, as AWS's clients know it,
/// and failures that EventBridge tells of inside of an answer with the status 200.
const PASSING_CODES: [&str; 21] = [
    "BandwidthLimitExceeded",
    "InternalError",
    "InternalException",
    "InternalFailure",
    "KMS.ThrottlingException",
    "KMSThrottling",
    "KmsThrottled",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "SlowDown",
    "Throttled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "TooManyRequestsException",
];

/// A hand-over that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutsideError {
    /// The operator has not said where the service is.
    #[error("no endpoint for {service} is configured; set {setting} or {variable}")]
    NotConfigured {
        /// The service.
        service: OutsideService,
        /// In the configuration file.
        setting: &'static str,
        /// In the environment of the server.
        variable: &'static str,
    },
    /// Nothing can be sent there, now or later.
    #[error("\"{target}\" cannot be delivered to: {reason}")]
    Unsupported {
        /// As it was named.
        target: String,
        /// What it is, and what to name instead.
        reason: &'static str,
    },
    /// The service has answered no.
    #[error(
        "{service} at {endpoint} refused {operation} for \"{target}\" with status {status}, {code}: {message}; {}",
        remedy(*.status, .code)
    )]
    Refused {
        /// The service.
        service: OutsideService,
        /// URL of its server.
        endpoint: String,
        /// What was attempted, for example `SendMessage`.
        operation: &'static str,
        /// What it was attempted for: an ARN, or `BUCKET/KEY`.
        target: String,
        /// Of the answer; 200 where the answer tells of the refusal of a part.
        status: u16,
        /// For example `AccessDenied`; the status where the answer names none.
        code: String,
        /// The service's sentence.
        message: String,
    },
    /// There is no telling what the service would answer, or whether it has got what was sent.
    #[error(
        "{service} at {endpoint} could not be used: {reason}; check that it runs and that {} or {} names it",
        .service.setting(),
        .service.variable()
    )]
    Unreachable {
        /// The service.
        service: OutsideService,
        /// URL of its server.
        endpoint: String,
        /// What went wrong.
        reason: String,
    },
}

impl OutsideError {
    /// Whether the same may succeed later: after a while, or once the operator has mended something that concerns
    /// all deliveries. What the service refuses as wrong stays refused.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NotConfigured { .. } | Self::Unreachable { .. } => true,
            Self::Refused { status, code, .. } => is_passing(*status, code),
            Self::Unsupported { .. } => false,
        }
    }
}

fn is_passing(status: u16, code: &str) -> bool {
    status >= 500 || status == 429 || PASSING_CODES.contains(&code)
}

fn remedy(status: u16, code: &str) -> &'static str {
    let is_missing = ["NotFound", "NoSuch", "DoesNotExist", "NonExistent"].iter().any(|part| code.contains(part));
    // Keys that are not known are no target that is not known.
    let is_of_keys = ["AccessDenied", "Authorization", "AccessKey", "Token", "Signature", "UnrecognizedClient"];
    if is_passing(status, code) {
        "another attempt may succeed"
    } else if matches!(status, 401 | 403) || is_of_keys.iter().any(|part| code.contains(part)) {
        "check the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the server and what they may do"
    } else if is_missing || status == 404 {
        "create the target or name another one"
    } else {
        "change what the message names"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str) -> OutsideError {
        OutsideError::Refused {
            service: OutsideService::Sqs,
            endpoint: "http://queues:9324".to_owned(),
            operation: "SendMessage",
            target: "arn:aws:sqs:eu-west-1:123456789012:jobs".to_owned(),
            status,
            code: code.to_owned(),
            message: "No.".to_owned(),
        }
    }

    #[test]
    fn what_may_pass_is_told_from_what_stays() {
        for (status, code, is_passing, hint) in [
            (500, "InternalError", true, "another attempt"),
            (503, "503", true, "another attempt"),
            (429, "429", true, "another attempt"),
            (400, "ThrottlingException", true, "another attempt"),
            (400, "RequestThrottled", true, "another attempt"),
            (200, "InternalFailure", true, "another attempt"),
            (200, "MalformedDetail", false, "change what"),
            (400, "QueueDoesNotExist", false, "create the target"),
            (404, "NotFound", false, "create the target"),
            (400, "AccessDeniedException", false, "AWS_ACCESS_KEY_ID"),
            (403, "InvalidClientTokenId", false, "AWS_ACCESS_KEY_ID"),
            (400, "InvalidMessageContents", false, "change what"),
        ] {
            let error = refused(status, code);
            assert_eq!(error.is_passing(), is_passing, "{error}");
            assert!(error.to_string().contains(hint), "{error}");
        }
    }

    #[test]
    fn errors_say_what_where_and_what_to_do() {
        assert_eq!(
            refused(400, "InvalidMessageContents").to_string(),
            "SQS at http://queues:9324 refused SendMessage for \"arn:aws:sqs:eu-west-1:123456789012:jobs\" with status 400, InvalidMessageContents: No.; change what the message names"
        );
        let service = OutsideService::EventBridge;
        let away = OutsideError::Unreachable {
            service,
            endpoint: "http://h".to_owned(),
            reason: "connection refused".to_owned(),
        };
        assert_eq!(
            away.to_string(),
            "EventBridge at http://h could not be used: connection refused; check that it runs and that eventbridge_endpoint or AWS_ENDPOINT_URL_EVENTBRIDGE names it"
        );
        assert!(away.is_passing());
        let unsupported = OutsideError::Unsupported { target: "x".to_owned(), reason: "it is no ARN" };
        assert!(!unsupported.is_passing());
    }

    #[test]
    fn the_list_of_codes_is_sorted_and_has_none_twice() {
        assert!(PASSING_CODES.is_sorted_by(|left, right| left < right));
    }
}
