//! A member of the group, as servers have it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tindra_core::event_source_mapping::stream::{KafkaRecord, KafkaTime, Partition, StreamRecord};
use tindra_core::event_source_mapping::{EventSourceMapping, StartingPosition};
use tindra_events::mappings::{BrokerQueue, GroupEvent, GroupMember, SourceApi, SourceError, Sources};
use tindra_store::BoxFuture;

use crate::cluster::{Cluster, TOPIC, partition};

/// How often a member looks for what has happened.
const LOOK_EVERY: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(crate) struct Reached(pub(crate) Arc<Cluster>);

#[derive(Debug)]
struct Member {
    cluster: Arc<Cluster>,
    id: u64,
}

fn broken() -> SourceError {
    SourceError::new("as planned")
}

fn number(partition: &Partition) -> usize {
    usize::try_from(partition.number).unwrap()
}

impl Sources for Reached {
    fn open<'a>(&'a self, _: &'a EventSourceMapping) -> BoxFuture<'a, Result<Arc<dyn SourceApi>, SourceError>> {
        Box::pin(async { Err(broken()) })
    }

    fn broker<'a>(&'a self, _: &'a EventSourceMapping) -> BoxFuture<'a, Result<Box<dyn BrokerQueue>, SourceError>> {
        Box::pin(async { Err(broken()) })
    }

    fn group<'a>(&'a self, _: &'a EventSourceMapping) -> BoxFuture<'a, Result<Box<dyn GroupMember>, SourceError>> {
        Box::pin(async move {
            let mut state = self.0.state();
            if state.fails() {
                return Err(broken());
            }
            Ok(Box::new(Member { cluster: Arc::clone(&self.0), id: state.enter() }) as Box<dyn GroupMember>)
        })
    }
}

impl Member {
    /// What has happened, if anything has.
    fn look(&self) -> Option<Result<GroupEvent, SourceError>> {
        let mut state = self.cluster.state();
        let member = state.members.get_mut(&self.id)?;
        if std::mem::take(&mut member.is_broken) {
            return Some(Err(broken()));
        }
        if let Some(event) = member.inbox.pop_front() {
            return Some(Ok(event));
        }
        let own: Vec<(usize, u64, bool)> = member.own.iter().map(|(one, (next, held))| (*one, *next, *held)).collect();
        let (number, offset, _) =
            own.into_iter().find(|(number, next, is_held)| !is_held && *next < state.length(*number))?;
        let value = json!({ "out": state.is_out((number, offset)) }).to_string();
        if let Some((next, _)) = state.members.get_mut(&self.id).and_then(|member| member.own.get_mut(&number)) {
            *next += 1;
        }
        let partition = partition(number);
        let record = StreamRecord::kafka(&KafkaRecord {
            topic: TOPIC,
            partition: partition.number,
            offset,
            time: KafkaTime::Created(0),
            key: None,
            value: Some(value.as_bytes()),
            headers: Vec::new(),
        });
        Some(Ok(GroupEvent::Record(partition, record)))
    }
}

impl GroupMember for Member {
    fn servers(&self) -> &str {
        "kafka:9092"
    }

    fn partitions(&self) -> BoxFuture<'_, Result<Vec<Partition>, SourceError>> {
        Box::pin(async move {
            let mut state = self.cluster.state();
            if state.fails() { Err(broken()) } else { Ok((0..state.partitions()).map(partition).collect()) }
        })
    }

    fn starts(
        &self,
        partitions: Vec<Partition>,
        _: StartingPosition,
    ) -> BoxFuture<'_, Result<Vec<(Partition, u64)>, SourceError>> {
        Box::pin(async move { Ok(partitions.into_iter().map(|partition| (partition, 0)).collect()) })
    }

    fn committed(&self, partitions: Vec<Partition>) -> BoxFuture<'_, Result<HashMap<Partition, u64>, SourceError>> {
        Box::pin(async move {
            self.cluster.clock.pass(LOOK_EVERY).await;
            let mut state = self.cluster.state();
            if state.fails() {
                return Err(broken());
            }
            let committed = |partition: Partition| state.committed(number(&partition)).map(|at| (partition, at));
            Ok(partitions.into_iter().filter_map(committed).collect())
        })
    }

    fn join(&self) -> Result<(), SourceError> {
        self.cluster.state().join(self.id);
        Ok(())
    }

    fn next(&mut self) -> BoxFuture<'_, Result<GroupEvent, SourceError>> {
        Box::pin(async move {
            loop {
                if let Some(happened) = self.look() {
                    return happened;
                }
                self.cluster.clock.pass(LOOK_EVERY).await;
            }
        })
    }

    fn assign(&self, from: &[(Partition, Option<u64>)]) -> Result<(), SourceError> {
        let mut state = self.cluster.state();
        let Some(member) = state.members.get_mut(&self.id) else { return Err(broken()) };
        // What was decided before it was lost, or while others are asked to give back, is of the past.
        let is_late = member.inbox.iter().any(|event| matches!(event, GroupEvent::Lost | GroupEvent::Assigned(_)));
        if !is_late {
            member.own =
                from.iter().map(|(partition, from)| (number(partition), (from.unwrap_or_default(), false))).collect();
        }
        Ok(())
    }

    fn release(&self) -> Result<(), SourceError> {
        self.cluster.state().release(self.id);
        Ok(())
    }

    fn commit(&self, offsets: &[(Partition, u64)]) -> Result<(), SourceError> {
        let mut state = self.cluster.state();
        if state.fails() {
            return Err(broken());
        }
        for (partition, offset) in offsets {
            state.commit(self.id, number(partition), *offset);
        }
        Ok(())
    }

    fn hold(&self, partition: &Partition, is_held: bool) {
        let mut state = self.cluster.state();
        let member = state.members.get_mut(&self.id);
        if let Some((_, held)) = member.and_then(|member| member.own.get_mut(&number(partition))) {
            *held = is_held;
        }
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.cluster.state().leave(self.id);
    }
}
