//! A warm invoke of one function beside many others that are deployed and not called.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::{Bench, ECHO, invocations};
use crate::cold::EVENT;
use crate::figures::Figures;
use crate::http::Connection;
use crate::server::{Server, zip};
use crate::table::Wanted;
use crate::{answer, time};

/// Deployed functions, the one that is invoked included.
const STEPS: [usize; 2] = [100, 10_000];
const CALLS: usize = 4_000;
/// Connections that create functions.
const CREATORS: usize = 16;

impl Bench {
    pub(super) fn functions(&mut self, what: &str) -> Result<()> {
        let steps = if self.is_short { [10, 100] } else { STEPS };
        let server = self.server(&[])?;
        server.prime("echo", &self.python_runtime(), "app.handler", &zip("app.py", ECHO)?)?;
        self.warm_calls(&server)?;
        let alone = self.warm_calls(&server)?;
        let mut there = 1;
        for count in steps {
            fill(&server, there..count)?;
            there = count;
            let beside = self.warm_calls(&server)?;
            let row = format!("{what}, {count} functions deployed");
            self.table.time(&row, &beside, "1 deployed", &alone, Wanted::AtMost(1.1));
        }
        Ok(())
    }

    fn warm_calls(&self, server: &Server) -> Result<Figures> {
        let path = invocations("echo");
        let mut connection = Connection::open(server.address())?;
        let calls = if self.is_short { CALLS / 10 } else { CALLS };
        for _ in 0..calls / 4 {
            answer(&mut connection, &path, EVENT)?;
        }
        let times = (0..calls).map(|_| time(|| answer(&mut connection, &path, EVENT))).collect::<Result<Vec<_>>>()?;
        // What was deployed just now has been prepared by then.
        std::thread::sleep(Duration::from_secs(1));
        Ok(Figures::of(times))
    }
}

fn fill(server: &Server, numbers: std::ops::Range<usize>) -> Result<()> {
    let next = AtomicUsize::new(numbers.start);
    let code = zip("app.py", "def handler(event, context): return 1\n")?;
    let create = || -> Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                return Ok(());
            }
            let request = json!({
                "FunctionName": name(number), "Runtime": "provided.al2023", "Handler": "app.handler",
                "Role": "arn:aws:iam::000000000000:role/bench", "Code": {"ZipFile": code},
                "Environment": {"Variables": {"NUMBER": number.to_string()}},
            });
            server.call("POST", "/2015-03-31/functions", &request)?;
        }
    };
    std::thread::scope(|scope| {
        let creators: Vec<_> = (0..CREATORS).map(|_| scope.spawn(create)).collect();
        creators.into_iter().try_for_each(|creator| creator.join().expect("a creator does not panic"))
    })?;
    // The last ones are still being prepared.
    numbers.rev().take(200).try_for_each(|number| server.wait_ready(&name(number)))
}

fn name(number: usize) -> String {
    format!("beside-{number:05}")
}
