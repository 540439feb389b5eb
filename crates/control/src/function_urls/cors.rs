//! `Cors` between the API's shape and the record. The service model holds its limits.

use tindra_core::function_url::UrlCors;
use tindra_model::lambda::function_urls::Cors;

use crate::shape::small;

/// None when it configures nothing.
pub(super) fn read(cors: Cors) -> Option<UrlCors> {
    let cors = UrlCors {
        allow_credentials: cors.allow_credentials,
        allow_headers: cors.allow_headers,
        allow_methods: cors.allow_methods,
        allow_origins: cors.allow_origins,
        expose_headers: cors.expose_headers,
        max_age_s: cors.max_age.and_then(|age| u32::try_from(age).ok()),
    };
    (cors != UrlCors::default()).then_some(cors)
}

/// As the API shows it.
pub(super) fn write(cors: UrlCors) -> Cors {
    Cors {
        allow_credentials: cors.allow_credentials,
        allow_headers: cors.allow_headers,
        allow_methods: cors.allow_methods,
        allow_origins: cors.allow_origins,
        expose_headers: cors.expose_headers,
        max_age: cors.max_age_s.map(small),
    }
}
