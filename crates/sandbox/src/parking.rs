//! Descriptors that are not needed for a while: they wait in the receive queue of a socket, and the process has one
//! descriptor instead of many.
//!
//! What can be parked lies in [`Slot`]s. A parked descriptor stays what it is: sockets go on taking connections into
//! their queues, pipes keep what is written, and the kernel ends nothing.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::launcher::transport;

/// The most descriptors that can be parked together.
pub const PARKED_MAX: usize = transport::DESCRIPTORS_MAX;

/// A place for a descriptor that can be parked. Empty while it is, or after it was taken.
#[derive(Debug)]
pub struct Slot<T>(Mutex<Option<Arc<T>>>);

impl<T> Slot<T> {
    /// With something in it.
    pub fn new(inner: T) -> Self {
        Self(Mutex::new(Some(Arc::new(inner))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is there. Whoever keeps it keeps the descriptor.
    ///
    /// # Errors
    /// `NotConnected` when it is parked.
    pub fn get(&self) -> io::Result<Arc<T>> {
        self.lock().clone().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Takes what is there for good, unless it is used elsewhere.
    pub fn take(&self) -> Option<T> {
        self.lock().take().and_then(Arc::into_inner)
    }
}

/// A [`Slot`] of any kind.
pub trait Berth: Send + Sync {
    /// What is there, to be sent.
    fn lend(&self) -> Option<Arc<dyn AsFd + Send + Sync>>;
    /// Empties it.
    fn leave(&self);
    /// Fills it.
    fn come_back(&self, descriptor: OwnedFd);
}

impl<T: AsFd + From<OwnedFd> + Send + Sync + 'static> Berth for Slot<T> {
    fn lend(&self) -> Option<Arc<dyn AsFd + Send + Sync>> {
        self.lock().clone().map(|inner| inner as Arc<dyn AsFd + Send + Sync>)
    }

    fn leave(&self) {
        let left = self.lock().take();
        drop(left);
    }

    fn come_back(&self, descriptor: OwnedFd) {
        *self.lock() = Some(Arc::new(descriptor.into()));
    }
}

/// Parked descriptors. Dropped, they are closed.
#[derive(Debug)]
pub struct Parking {
    queue: OwnedFd,
    /// Which of the berths were not empty, the first one lowest.
    occupied: u32,
}

impl Parking {
    /// Parks what is in the berths, which are empty then; at most [`PARKED_MAX`] of them.
    ///
    /// # Errors
    /// When the kernel refuses, as it may without the power of root; then everything is as it was.
    pub fn park(berths: &[&dyn Berth]) -> io::Result<Parking> {
        if berths.len() > PARKED_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let lent: Vec<_> = berths.iter().map(|berth| berth.lend()).collect();
        let occupied = lent.iter().rev().fold(0, |bits, one| bits << 1 | u32::from(one.is_some()));
        let descriptors: Vec<_> = lent.iter().flatten().map(|one| one.as_fd()).collect();
        let (queue, sender) = transport::pair()?;
        transport::send(&sender, b"p", &descriptors)?;
        // What was sent stays in the queue without its sender.
        drop(sender);
        berths.iter().for_each(|berth| berth.leave());
        Ok(Parking { queue, occupied })
    }

    /// Puts everything back into the same berths.
    ///
    /// # Errors
    /// When the process has not enough descriptors left for all of them; then they stay parked.
    pub fn unpark(&self, berths: &[&dyn Berth]) -> io::Result<()> {
        let descriptors = self.peek()?;
        if descriptors.len() != self.occupied.count_ones() as usize {
            return Err(rustix::io::Errno::MFILE.into());
        }
        let occupied = berths.iter().enumerate().filter(|(at, _)| self.occupied >> at & 1 == 1);
        occupied.zip(descriptors).for_each(|((_, berth), descriptor)| berth.come_back(descriptor));
        Ok(())
    }

    /// Looked at instead of taken: the kernel closes what it finds no room for.
    fn peek(&self) -> io::Result<Vec<OwnedFd>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PARKED_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut buffer = [0; 8];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        loop {
            match recvmsg(&self.queue, &mut [IoSliceMut::new(&mut buffer)], &mut control, flags) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut descriptors = Vec::with_capacity(self.occupied.count_ones() as usize);
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        Ok(descriptors)
    }
}

/// Whether the other end of a socket has gone. Never blocks.
#[must_use]
pub fn has_hung_up(socket: &impl AsFd) -> bool {
    let mut sources = [PollFd::new(socket, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut sources, Some(&at_once)).is_ok() && sources[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn descriptors() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    fn pipe() -> (Slot<File>, File) {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        (Slot::new(reader.into()), writer.into())
    }

    #[test]
    fn many_cost_one_and_come_back_to_their_places() {
        let pipes: Vec<_> = (0..10).map(|_| pipe()).collect();
        let berths: Vec<&dyn Berth> = pipes.iter().map(|(slot, _)| slot as &dyn Berth).collect();
        drop(pipes[3].0.take());
        let before = descriptors();
        let parking = Parking::park(&berths).unwrap();
        // Tests of other threads come and go.
        assert!(descriptors() < before);
        assert!(pipes[0].0.get().is_err());
        for (at, (_, mut writer)) in
            pipes.iter().enumerate().filter(|(at, _)| *at != 3).map(|(at, pipe)| (at, (&pipe.0, &pipe.1)))
        {
            writer.write_all(&[u8::try_from(at).unwrap()]).unwrap();
        }
        parking.unpark(&berths).unwrap();
        drop(parking);
        assert!(pipes[3].0.get().is_err());
        for (at, (slot, _)) in pipes.iter().enumerate().filter(|(at, _)| *at != 3) {
            let mut said = [0];
            slot.get().unwrap().as_ref().read_exact(&mut said).unwrap();
            assert_eq!(usize::from(said[0]), at);
        }
    }

    #[test]
    fn a_parked_listener_takes_connections_and_a_dropped_parking_closes() {
        let slot = Slot::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let address = slot.get().unwrap().local_addr().unwrap();
        let parking = Parking::park(&[&slot]).unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"while parked").unwrap();
        parking.unpark(&[&slot]).unwrap();
        drop(parking);
        let mut said = [0; 12];
        slot.get().unwrap().accept().unwrap().0.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"while parked");
        drop(Parking::park(&[&slot]).unwrap());
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn too_many_are_refused() {
        let slots: Vec<_> = (0..=PARKED_MAX).map(|_| Slot::new(File::open("/dev/null").unwrap())).collect();
        let berths: Vec<&dyn Berth> = slots.iter().map(|slot| slot as &dyn Berth).collect();
        assert!(Parking::park(&berths).is_err());
        assert!(slots.iter().all(|slot| slot.get().is_ok()));
    }
}
