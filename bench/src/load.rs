//! Load in a closed loop: callers that each send the next request when the last one is answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::http::{Connection, HEADERS};

/// What is called again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// Of the server.
    pub(crate) address: SocketAddr,
    /// The header lines of each request, the host's among them.
    pub(crate) headers: &'a str,
    /// Path of the POST.
    pub(crate) path: &'a str,
    /// What is sent.
    pub(crate) body: &'a [u8],
    /// What must come back; `None` = anything that is no error.
    pub(crate) expected: Option<&'a [u8]>,
}

impl<'a> Call<'a> {
    /// With the usual headers, and any answer that is no error.
    pub(crate) fn new(address: SocketAddr, path: &'a str, body: &'a [u8]) -> Self {
        Self { address, headers: HEADERS, path, body, expected: None }
    }
}

/// What a window of load brought.
#[derive(Debug)]
pub(crate) struct Load {
    /// Answers per second, of all callers together.
    pub(crate) per_s: f64,
    /// How long each answer took.
    pub(crate) times: Vec<Duration>,
}

/// Answers per second with `callers` connections.
pub(crate) fn rate(call: Call<'_>, callers: usize, window: Duration) -> Result<f64> {
    Ok(run(call, callers, window)?.per_s)
}

/// A window of load by `callers` connections, each in a thread of its own. A third of a window goes before it, uncounted.
pub(crate) fn run(call: Call<'_>, callers: usize, window: Duration) -> Result<Load> {
    let each = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(|| repeat(call, window))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a caller does not panic")).collect::<Result<Vec<_>>>()
    })?;
    // By the time that each has taken: the last answer comes after the window's end.
    let per_s = each.iter().map(|times| times.len() as f64 / times.iter().sum::<Duration>().as_secs_f64()).sum();
    Ok(Load { per_s, times: each.concat() })
}

/// How long each answer took, which together is all the time from the first to the last; there is at least one.
fn repeat(call: Call<'_>, window: Duration) -> Result<Vec<Duration>> {
    let Call { address, headers, path, body, expected } = call;
    let mut connection = Connection::open_with(address, headers)?;
    let warm_up_end = Instant::now() + window / 3;
    while Instant::now() < warm_up_end {
        connection.post(path, body)?;
    }
    let mut times = Vec::new();
    let mut now = Instant::now();
    let end = now + window;
    while now < end {
        let response = connection.post(path, body)?;
        let is_right = expected.is_none_or(|expected| response.body == expected);
        if response.status != 200 || response.head.contains("x-amz-function-error") || !is_right {
            bail!("{path} answered {}: {}", response.status, String::from_utf8_lossy(&response.body));
        }
        let answered = Instant::now();
        times.push(answered - now);
        now = answered;
    }
    Ok(times)
}

/// How many requests `callers` connections have answered in a window, all of them.
pub(crate) fn count(call: Call<'_>, callers: usize, window: Duration) -> Result<usize> {
    let send = || {
        let mut connection = Connection::open_with(call.address, call.headers)?;
        let (begun, mut count) = (Instant::now(), 0);
        while begun.elapsed() < window {
            let answer = connection.post(call.path, call.body)?;
            if !(200..300).contains(&answer.status) {
                bail!("answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
            }
            count += 1;
        }
        Ok(count)
    };
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..callers).map(|_| scope.spawn(send)).collect();
        callers.into_iter().map(|caller| caller.join().expect("a caller does not panic")).sum()
    })
}

/// The one in the middle.
pub(crate) fn middle(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
