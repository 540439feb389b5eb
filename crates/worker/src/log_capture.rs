//! Reads what a sandbox writes: standard output and error line by line, and framed records.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use tindra_core::limits::LOG_LINE_BYTES_MAX;
use tindra_sandbox::{Berth, Slot};
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;

use crate::gate::Gate;
use crate::log_book::{FLUSH_AFTER, LogBook};
use crate::log_frames::FrameReader;
use crate::readiness;

/// Bytes read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks read before other tasks have a turn: a flood of empty lines makes some milliseconds' work of each.
const CHUNKS_AT_ONCE: usize = 1;
/// Chunks read when an invoke ends, so that a flood does not hold its answer back for long.
const CHUNKS_AT_END: usize = 64;

/// The reading of one sandbox's pipes. Dropped, it reads what is there and stops.
#[derive(Debug)]
pub(crate) struct LogCapture {
    pipes: Arc<Pipes>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Pipes {
    book: Arc<LogBook>,
    all: Vec<Pipe>,
}

#[derive(Debug)]
struct Pipe {
    file: Slot<File>,
    gate: Gate<AsyncFd<Arc<File>>>,
    splitter: Mutex<Splitter>,
}

#[derive(Debug)]
enum Splitter {
    Lines(Vec<u8>),
    Frames(FrameReader),
}

/// What is left in a pipe.
#[derive(PartialEq)]
enum Left {
    Nothing,
    Something,
    Ended,
}

impl LogCapture {
    /// Starts reading. `None` for a pipe that the sandbox does not have.
    pub(crate) fn start(
        book: Arc<LogBook>,
        stdout: Option<OwnedFd>,
        stderr: Option<OwnedFd>,
        log: Option<OwnedFd>,
    ) -> io::Result<Self> {
        let mut all = Vec::with_capacity(3);
        for (descriptor, splitter) in [
            (log, Splitter::Frames(FrameReader::default())),
            (stdout, Splitter::Lines(Vec::new())),
            (stderr, Splitter::Lines(Vec::new())),
        ] {
            let Some(descriptor) = descriptor else { continue };
            let file = Slot::new(File::from(descriptor));
            let gate = Gate::new(readiness::watch(file.get()?)?);
            all.push(Pipe { file, gate, splitter: Mutex::new(splitter) });
        }
        let pipes = Arc::new(Pipes { book, all });
        let task = tokio::spawn(read_all(Arc::clone(&pipes)));
        Ok(Self { pipes, task })
    }

    /// The pipes, which can be parked while nothing is written to them.
    pub(crate) fn berths(&self) -> impl Iterator<Item = &dyn Berth> {
        self.pipes.all.iter().map(|pipe| &pipe.file as &dyn Berth)
    }

    /// Waits no longer for pipes that have been parked.
    pub(crate) fn close(&self) {
        self.pipes.all.iter().for_each(|pipe| pipe.gate.close());
    }

    /// Waits for them again. To be called inside a tokio runtime.
    pub(crate) fn open(&self) -> io::Result<()> {
        for pipe in &self.pipes.all {
            pipe.gate.open(readiness::watch(pipe.file.get()?)?);
        }
        Ok(())
    }

    /// Reads what can be read now, incomplete lines included: an invoke ends.
    pub(crate) fn drain(&self) {
        for pipe in &self.pipes.all {
            pipe.read(&self.pipes.book, CHUNKS_AT_END);
            pipe.end(&self.pipes.book);
        }
    }
}

impl Drop for LogCapture {
    fn drop(&mut self) {
        self.task.abort();
        self.drain();
    }
}

async fn read_all(pipes: Arc<Pipes>) {
    let readers = pipes.all.iter().map(|pipe| follow(pipe, &pipes.book));
    futures_util::future::join_all(readers).await;
}

async fn follow(pipe: &Pipe, book: &LogBook) {
    loop {
        match pipe.gate.run(|file| pipe.next(file, book)).await {
            Left::Nothing => {}
            Left::Something => {
                tokio::task::yield_now().await;
                continue;
            }
            Left::Ended => {
                pipe.close(book);
                book.flush();
                return;
            }
        }
        flush_soon(pipe, book).await;
    }
}

/// Lets lines gather for a moment; an invoke that ends meanwhile sends them itself.
async fn flush_soon(pipe: &Pipe, book: &LogBook) {
    let more = pipe.gate.run(|file| async move { file.readable().await.is_ok() });
    let _ = tokio::time::timeout(FLUSH_AFTER, more).await;
    book.flush();
}

impl Pipe {
    /// Waits until something can be read, and reads it.
    async fn next(&self, file: Arc<AsyncFd<Arc<File>>>, book: &LogBook) -> Left {
        let Ok(mut ready) = file.readable().await else { return Left::Ended };
        let left = self.read(book, CHUNKS_AT_ONCE);
        if left == Left::Nothing {
            ready.clear_ready();
        }
        left
    }

    fn read(&self, book: &LogBook, chunks: usize) -> Left {
        // Locked before reading: two readers must not swap what they read.
        let mut splitter = self.splitter.lock().unwrap_or_else(PoisonError::into_inner);
        // What is parked is read later.
        let Ok(file) = self.file.get() else { return Left::Nothing };
        let mut chunk = [0_u8; CHUNK_BYTES];
        for _ in 0..chunks {
            match file.as_ref().read(&mut chunk) {
                Ok(0) => return Left::Ended,
                Ok(length) => splitter.feed(&chunk[..length], book),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Left::Nothing,
                Err(_) => return Left::Ended,
            }
        }
        Left::Something
    }

    fn end(&self, book: &LogBook) {
        self.splitter.lock().unwrap_or_else(PoisonError::into_inner).end(book);
    }

    /// Nothing comes any more: what is left of a torn frame is given out, too.
    fn close(&self, book: &LogBook) {
        let mut splitter = self.splitter.lock().unwrap_or_else(PoisonError::into_inner);
        splitter.end(book);
        if let Splitter::Frames(reader) = &mut *splitter {
            reader.end(|record| book.function(record.time_ms, &record.message));
        }
    }
}

impl Splitter {
    fn feed(&mut self, bytes: &[u8], book: &LogBook) {
        match self {
            Self::Frames(reader) => reader.feed(bytes, |record| book.function(record.time_ms, &record.message)),
            Self::Lines(pending) => {
                for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                    add_piece(pending, piece, book);
                }
            }
        }
    }

    /// An unfinished line is given out as it is; an unfinished frame waits for its rest.
    fn end(&mut self, book: &LogBook) {
        if let Self::Lines(pending) = self
            && !pending.is_empty()
        {
            book.function(None, pending);
            pending.clear();
        }
    }
}

/// Adds bytes that hold no line feed but perhaps at their end.
fn add_piece(pending: &mut Vec<u8>, mut piece: &[u8], book: &LogBook) {
    while pending.len() + piece.len() > LOG_LINE_BYTES_MAX {
        let (fits, rest) = piece.split_at(LOG_LINE_BYTES_MAX - pending.len());
        pending.extend_from_slice(fits);
        book.function(None, pending);
        pending.clear();
        piece = rest;
    }
    pending.extend_from_slice(piece);
    if pending.ends_with(b"\n") {
        book.function(None, pending);
        pending.clear();
    }
}
