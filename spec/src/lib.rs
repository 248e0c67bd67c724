//! The operations table of the Autonomi Control Plane API.
//!
//! Plain constant data and nothing else: this crate depends on nobody. `core` executes what it describes,
//! `codegen` writes the typed faces from it, `control-plane` serves it. An endpoint is described here and nowhere else.

mod audit;
mod builders;
mod checkpoints;
mod health;
mod keys;
mod known;
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

pub use known::Known;
pub use live::{EVENT_TYPES, EventType, LIVE_EVENT};
pub use operation::{
    Bridge, Field, FieldType, Location, Manager, Method, Model, Need, Operation, PagedItems, Paging, Param,
    ParamType, Presence, Returns, TypeScriptArguments,
};
pub use runs::{ENDED_RUN_STATUSES, GET_RUN, GET_RUN_TIMELINE, LAST_RUN_EVENTS, LIST_RUNS, RUN, RUN_EVENT};
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

/// Every open enumeration, in the order in which the table first names it.
pub fn enumerations() -> impl Iterator<Item = &'static Known> {
    let of_params = operations().flat_map(|operation| operation.params);
    let of_streams = STREAMS.iter().flat_map(|stream| stream.params);
    let of_params = of_params.chain(of_streams).map(|param| param.known);
    let of_fields = models().flat_map(|model| model.fields).map(|field| field.known);
    let mut seen = Vec::new();
    of_fields.chain(of_params).filter(move |known| {
        let new = !known.is_empty() && !seen.contains(&known.name);
        if new {
            seen.push(known.name);
        }
        new
    })
}

/// The operation of this name.
pub fn operation(name: &str) -> Option<&'static Operation> {
    operations().find(|operation| operation.name == name)
}

#[cfg(test)]
mod tests;
