//! One stream: its segments, of which the last one is written to.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use tindra_core::clock::UnixMs;

use super::file_name;
use super::handles::Handles;
use super::segment::{self, Frame, Header, SEAL_FRAME_BYTES, Summary};
use crate::{LogEvent, LogStream};

/// A segment file as it is known in memory.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// Position of its first event.
    pub(super) base: u64,
    pub(super) file_bytes: u64,
    pub(super) summary: Summary,
    pub(super) sealed: bool,
}

impl Segment {
    /// Position after its last event.
    pub(super) fn end(&self) -> u64 {
        self.base + self.summary.count
    }
}

/// A stream has at least one segment.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) created_ms: UnixMs,
    pub(super) segments: VecDeque<Segment>,
}

impl Stream {
    pub(super) fn new(name: &str, created_ms: UnixMs) -> Self {
        Self { name: name.to_owned(), created_ms, segments: VecDeque::new() }
    }

    /// Reads what there is on disk, and cuts a torn tail. `None` when nothing of it is whole.
    pub(super) fn load(directory: &Path, encoded: &str, mut bases: Vec<u64>) -> io::Result<Option<Self>> {
        bases.sort_unstable();
        let mut stream: Option<Self> = None;
        for base in bases {
            let path = directory.join(format!("{encoded}.{base:016x}"));
            let Some((header, segment)) = load_segment(&path, base)? else {
                tracing::warn!(path = %path.display(), "removed a log segment that cannot be read");
                fs::remove_file(&path)?;
                continue;
            };
            stream.get_or_insert_with(|| Self::new(&header.stream, header.created_ms)).segments.push_back(segment);
        }
        Ok(stream)
    }

    pub(super) fn end(&self) -> u64 {
        self.segments.back().map_or(0, Segment::end)
    }

    pub(super) fn file_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.file_bytes).sum()
    }

    /// When it was last written to.
    pub(super) fn used_ms(&self) -> UnixMs {
        self.segments.back().map_or(0, |last| last.summary.last_ingestion_ms).max(self.created_ms)
    }

    pub(super) fn listed(&self) -> LogStream {
        let with_events = || self.segments.iter().map(|segment| &segment.summary).filter(|summary| summary.count > 0);
        LogStream {
            name: self.name.clone(),
            created_ms: self.created_ms,
            first_event_ms: with_events().map(|summary| summary.first_event_ms).min(),
            last_event_ms: with_events().map(|summary| summary.last_event_ms).max(),
            last_ingestion_ms: with_events().map(|summary| summary.last_ingestion_ms).max(),
            stored_bytes: with_events().map(|summary| summary.message_bytes).sum(),
        }
    }

    pub(super) fn path(&self, directory: &Path, base: u64) -> PathBuf {
        directory.join(file_name::segment(&self.name, base))
    }

    /// Appends, beginning new segments as they fill. After an error the events up to it are stored.
    pub(super) fn append(
        &mut self,
        directory: &Path,
        handles: &Handles,
        segment_bytes_max: u64,
        events: &[LogEvent],
    ) -> io::Result<()> {
        if self.segments.is_empty() {
            self.begin_segment(directory, handles)?;
        }
        let mut rest = events;
        while let Some(first) = rest.first() {
            let last = self.segments.back().map_or(0, |last| last.file_bytes);
            let holds_events = self.segments.back().is_some_and(|last| last.summary.count > 0);
            if holds_events && last + segment::event_frame_bytes(first) > segment_bytes_max {
                self.seal(directory, handles)?;
                self.begin_segment(directory, handles)?;
                continue;
            }
            let fit = fitting(rest, segment_bytes_max.saturating_sub(last));
            self.write_events(directory, handles, &rest[..fit])?;
            rest = &rest[fit..];
        }
        Ok(())
    }

    fn begin_segment(&mut self, directory: &Path, handles: &Handles) -> io::Result<()> {
        let base = self.end();
        let mut bytes = Vec::new();
        segment::write_header(&mut bytes, &Header { stream: self.name.clone(), created_ms: self.created_ms })?;
        let path = self.path(directory, base);
        write_at(handles, &path, 0, &bytes)?;
        let file_bytes = bytes.len() as u64;
        self.segments.push_back(Segment { base, file_bytes, summary: Summary::default(), sealed: false });
        Ok(())
    }

    fn seal(&mut self, directory: &Path, handles: &Handles) -> io::Result<()> {
        let Some(last) = self.segments.back() else { return Ok(()) };
        let path = self.path(directory, last.base);
        let mut bytes = Vec::new();
        segment::write_seal(&mut bytes, &last.summary);
        if !last.sealed {
            write_at(handles, &path, last.file_bytes, &bytes)?;
        }
        handles.forget(&path);
        if let Some(last) = self.segments.back_mut().filter(|last| !last.sealed) {
            last.file_bytes += bytes.len() as u64;
            last.sealed = true;
        }
        Ok(())
    }

    fn write_events(&mut self, directory: &Path, handles: &Handles, events: &[LogEvent]) -> io::Result<()> {
        let Some(last) = self.segments.back() else { return Ok(()) };
        if last.sealed {
            return self.begin_segment(directory, handles).and_then(|()| self.write_events(directory, handles, events));
        }
        let mut bytes = Vec::new();
        for event in events {
            segment::write_event(&mut bytes, event);
        }
        write_at(handles, &self.path(directory, last.base), last.file_bytes, &bytes)?;
        if let Some(last) = self.segments.back_mut() {
            last.file_bytes += bytes.len() as u64;
            for event in events {
                last.summary.add(event.timestamp_ms, event.ingestion_ms, segment::message_of(event).len());
            }
        }
        Ok(())
    }
}

/// How many of the events fit into `room` bytes; at least one, however large.
fn fitting(events: &[LogEvent], room: u64) -> usize {
    let mut used = 0;
    let fit = events.iter().take_while(|event| {
        used += segment::event_frame_bytes(event);
        used <= room
    });
    fit.count().max(1)
}

/// Appends to a file that is known to have `length` bytes; a failed write leaves it with that length.
fn write_at(handles: &Handles, path: &Path, length: u64, bytes: &[u8]) -> io::Result<()> {
    let file = handles.get(path)?;
    let written = (&*file).write_all(bytes);
    if written.is_err() {
        drop(file.set_len(length));
        handles.forget(path);
    }
    written
}

fn load_segment(path: &Path, base: u64) -> io::Result<Option<(Header, Segment)>> {
    let mut file = File::open(path)?;
    let file_bytes = file.metadata()?.len();
    if let Some(summary) = read_seal(&mut file, file_bytes)? {
        let header = read_header(&mut file)?;
        return Ok(header.map(|header| (header, Segment { base, file_bytes, summary, sealed: true })));
    }
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let (mut header, mut summary) = (None, Summary::default());
    let whole = segment::visit(&bytes, |frame| {
        match frame {
            Frame::Header(found) => header = Some(found),
            Frame::Event { timestamp_ms, ingestion_ms, message } => {
                summary.add(timestamp_ms, ingestion_ms, message.len());
            }
            Frame::Seal(_) => {}
        }
        ControlFlow::Continue(())
    }) as u64;
    let Some(header) = header else { return Ok(None) };
    if whole < file_bytes {
        tracing::info!(path = %path.display(), torn_bytes = file_bytes - whole, "cut a torn log segment");
        File::options().write(true).open(path)?.set_len(whole)?;
    }
    Ok(Some((header, Segment { base, file_bytes: whole, summary, sealed: false })))
}

fn read_seal(file: &mut File, file_bytes: u64) -> io::Result<Option<Summary>> {
    let mut tail = [0; SEAL_FRAME_BYTES];
    if file_bytes < SEAL_FRAME_BYTES as u64 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(file_bytes - SEAL_FRAME_BYTES as u64))?;
    file.read_exact(&mut tail)?;
    Ok(segment::seal(&tail))
}

fn read_header(file: &mut File) -> io::Result<Option<Header>> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.take(8 << 10).read_to_end(&mut bytes)?;
    let mut header = None;
    segment::visit(&bytes, |frame| {
        if let Frame::Header(found) = frame {
            header = Some(found);
        }
        ControlFlow::Break(())
    });
    Ok(header)
}
