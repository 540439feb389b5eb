//! Which route or resource of an API a request takes.

mod http;
mod key;
mod path;
mod rest;
mod websocket;

pub use http::{RouteMatch, RouteTable};
pub use key::{RouteKey, RouteKeyError};
pub use path::{PathError, PathPattern};
pub use rest::{Resource, ResourceMatch, ResourceTree};
pub use websocket::{SelectionError, SelectionExpression};
