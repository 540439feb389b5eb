//! The handle of a template: an interpreter that is forked to make sandboxes.

use std::sync::{Arc, Weak};

use crate::launcher::requests::Request;
use crate::launcher::{Connection, Peer};

/// A template; see [`crate::Launcher::template`]. Dropped, it ends; the sandboxes that came from it stay.
#[derive(Debug)]
pub struct Template {
    id: u64,
    connection: Weak<Connection>,
}

impl Template {
    pub(crate) fn new(id: u64, connection: Weak<Connection>) -> Template {
        Template { id, connection }
    }

    pub(crate) fn is_of(&self, connection: &Arc<Connection>) -> bool {
        self.connection.as_ptr() == Arc::as_ptr(connection)
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.upgrade() {
            connection.tell(Peer::Launcher, &Request::EndTemplate(self.id));
        }
    }
}
