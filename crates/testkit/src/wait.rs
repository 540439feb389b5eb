//! Waiting for a condition instead of for a while.

use std::time::Duration;

/// Long enough for a busy machine; a test that waits this long has failed.
pub const BOUND: Duration = Duration::from_secs(20);

/// Asks again and again until the answer is yes, giving others their turn in between.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let waiting = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(BOUND, waiting).await.is_ok(), "it did not come to be that {what}");
}
