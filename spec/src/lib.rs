//! The operations table of the Autonomi Control Plane API.
//!
//! Plain constant data and nothing else: this crate depends on nobody. `core` executes what it describes,
//! `codegen` writes the typed faces from it, `control-plane` serves it. An endpoint is described here and nowhere else.

mod audit;
mod builders;
mod checkpoints;
mod health;
mod keys;
mod live;
mod operation;
mod projects;
mod runs;
mod session_tasks;
mod sessions;
mod status;
mod streams;
mod tasks;
mod tenants;

pub use live::{EVENT_TYPES, EventType, LIVE_EVENT};
pub use operation::{
    Bridge, Field, FieldType, Location, Manager, Method, Model, Need, Operation, PagedItems, Paging, Param,
    ParamType, Presence, Returns, TypeScriptArguments,
};
pub use runs::{ENDED_RUN_STATUSES, GET_RUN, LAST_RUN_EVENTS};
pub use sessions::RESTING_SESSION_STATUSES;
pub use status::GET_STATUS;
pub use streams::{EVENTS, STREAMS, Stream, StreamKind, WATCH};

/// A chapter of the API: a heading, its operations and its models, in the order in which they are documented.
#[derive(Debug)]
pub struct Chapter {
    /// The heading.
    pub title: &'static str,
    /// The operations.
    pub operations: &'static [Operation],
    /// The models that these operations return.
    pub models: &'static [&'static Model],
}

/// The whole table.
pub const CHAPTERS: &[Chapter] = &[
    status::CHAPTER,
    health::CHAPTER,
    projects::CHAPTER,
    tenants::CHAPTER,
    runs::CHAPTER,
    tasks::CHAPTER,
    sessions::CHAPTER,
    session_tasks::CHAPTER,
    live::CHAPTER,
    keys::CHAPTER,
    audit::CHAPTER,
    checkpoints::CHAPTER,
];

/// Every operation, chapter by chapter.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    CHAPTERS.iter().flat_map(|chapter| chapter.operations)
}

/// Every model, chapter by chapter.
pub fn models() -> impl Iterator<Item = &'static Model> {
    CHAPTERS.iter().flat_map(|chapter| chapter.models.iter().copied())
}

/// The operation of this name.
pub fn operation(name: &str) -> Option<&'static Operation> {
    operations().find(|operation| operation.name == name)
}

#[cfg(test)]
mod tests;
