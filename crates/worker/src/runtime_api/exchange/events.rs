//! The events of one process: those that its runtime has not asked for yet, its requests for which there is no event yet, and
//! those that it works on.

use std::collections::VecDeque;

use tindra_invoke::AnswerSink;
use tokio::sync::oneshot;

use super::{Answer, Claimed, Delivery, Refusal};

/// See the module.
#[derive(Debug)]
pub(super) struct Events {
    /// How many the runtime works on at once. With one it may not ask for another before it has answered; with more it asks
    /// whenever it likes, and whoever dispatches does not give it more.
    at_once: usize,
    /// Requests that wait for an event.
    asking: VecDeque<oneshot::Sender<Delivery>>,
    /// Events that wait for a request.
    queued: VecDeque<Delivery>,
    /// Events that are queued or were taken, until they are answered.
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    request_id: String,
    sink: Option<AnswerSink>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Queued or being worked on; the way of its answer.
    Open(oneshot::Sender<Answer>),
    /// The answer is being read.
    Answering,
}

impl Default for Events {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Events {
    pub(super) fn new(at_once: usize) -> Self {
        Self { at_once, asking: VecDeque::new(), queued: VecDeque::new(), running: Vec::new() }
    }

    pub(super) fn at_once(&self) -> usize {
        self.at_once
    }

    /// Gives an event to a request that waits, else lets it wait for one.
    pub(super) fn dispatch(&mut self, delivery: Delivery) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.running.push(Running {
            request_id: delivery.request_id.clone(),
            sink: delivery.sink.clone(),
            stage: Stage::Open(sender),
        });
        let mut delivery = delivery;
        while let Some(asking) = self.asking.pop_front() {
            // One whose connection has gone gives the event back.
            match asking.send(delivery) {
                Ok(()) => return receiver,
                Err(unsent) => delivery = unsent,
            }
        }
        self.queued.push_back(delivery);
        receiver
    }

    /// The runtime asks: gives it an event that waits, else lets the request wait.
    pub(super) fn ask(&mut self) -> Result<oneshot::Receiver<Delivery>, Refusal> {
        let (sender, receiver) = oneshot::channel();
        if let Some(delivery) = self.queued.pop_front() {
            let _ = sender.send(delivery);
            return Ok(receiver);
        }
        if self.at_once == 1 {
            if !self.running.is_empty() {
                return Err(Refusal::Transition { from: "Running", to: "Ready" });
            }
            // A second request takes the place of the first.
            self.asking.clear();
        }
        self.asking.retain(|asking| !asking.is_closed());
        self.asking.push_back(sender);
        Ok(receiver)
    }

    /// Whether a request waits for an event.
    pub(super) fn is_asked(&self) -> bool {
        self.asking.iter().any(|asking| !asking.is_closed())
    }

    /// Takes an event back that the runtime has not asked for.
    pub(super) fn take_back(&mut self, request_id: &str) -> Option<Delivery> {
        let at = self.queued.iter().position(|delivery| delivery.request_id == request_id)?;
        self.forget(request_id);
        self.queued.remove(at)
    }

    /// The runtime begins to answer an event that it has taken; whoever claims it owes the answer.
    pub(super) fn claim(&mut self, request_id: &str) -> Option<Claimed> {
        if self.queued.iter().any(|delivery| delivery.request_id == request_id) {
            return None;
        }
        let running = self.running.iter_mut().find(|running| running.request_id == request_id)?;
        match std::mem::replace(&mut running.stage, Stage::Answering) {
            Stage::Open(answer) => Some(Claimed { answer, sink: running.sink.take() }),
            Stage::Answering => None,
        }
    }

    /// The answer has been read whole, or broke off.
    pub(super) fn forget(&mut self, request_id: &str) {
        self.running.retain(|running| running.request_id != request_id);
    }
}
