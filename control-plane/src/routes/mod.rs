//! What each operation of the table does, one file per chapter. Where it is served is the table's business.

mod audit;
mod checkpoints;
mod health;
mod keys;
mod live;
mod projects;
mod runs;
mod session_tasks;
mod sessions;
mod status;
mod tasks;
mod tenants;

use std::time::Instant;

use loki_mode_spec::{Method, Operation};
use rusqlite::Connection;

use crate::answers::{Answer, Failure};
use crate::auth::{self, Principal, Tenants};
use crate::live::Hub;
use crate::profile::Profile;
use crate::validate::Inputs;

/// A call that has been authorised and checked.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) profile: Profile,
    pub(crate) inputs: &'a Inputs,
    pub(crate) principal: Option<&'a Principal>,
    /// When the server started.
    pub(crate) started: Instant,
    /// When the call came in.
    pub(crate) now: i64,
    /// The live events.
    pub(crate) live: &'a Hub,
    /// Whether there are providers of agents.
    pub(crate) provides: bool,
}

impl Call<'_> {
    /// The tenants that the caller may see.
    pub(crate) fn tenants(&self) -> Result<Tenants, Failure> {
        auth::tenants(self.profile, self.principal)
    }

    /// Fails unless the caller may touch things of this tenant.
    pub(crate) fn check_tenant(&self, tenant: Option<i64>) -> Result<(), Failure> {
        if self.tenants()?.includes(tenant) {
            Ok(())
        } else {
            Err(Failure::forbidden("Cross-tenant access denied"))
        }
    }
}

/// Carries an operation out, in a transaction if it changes anything.
pub(crate) type Handler = fn(&Call<'_>, &Connection) -> Result<Answer, Failure>;

const CHAPTERS: &[&[(&str, Handler)]] = &[
    status::HANDLERS,
    health::HANDLERS,
    projects::HANDLERS,
    tenants::HANDLERS,
    runs::HANDLERS,
    tasks::HANDLERS,
    sessions::HANDLERS,
    session_tasks::HANDLERS,
    live::HANDLERS,
    keys::HANDLERS,
    audit::HANDLERS,
    checkpoints::HANDLERS,
];

/// The handler of an operation.
pub(crate) fn handler(name: &str) -> Option<Handler> {
    CHAPTERS.iter().copied().flatten().find(|(operation, _)| *operation == name).map(|(_, handler)| *handler)
}

/// What the audit log calls an operation: `create_api_key` is the action `create` on an `api_key`.
pub(crate) fn audit_name(operation: &Operation) -> (&'static str, &'static str) {
    operation.name.split_once('_').unwrap_or((operation.name, ""))
}

/// Whether an operation changes something, and so is recorded.
pub(crate) fn is_change(operation: &Operation) -> bool {
    operation.method != Method::Get
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_one_handler_and_every_handler_an_operation() {
        // A view is served by the operation that it is a view of.
        for operation in loki_mode_spec::operations().filter(|operation| operation.view_of.is_none()) {
            assert!(handler(operation.name).is_some(), "{} has no handler", operation.name);
        }
        let mut names: Vec<_> = CHAPTERS.iter().copied().flatten().map(|(name, _)| *name).collect();
        for name in &names {
            assert!(loki_mode_spec::operation(name).is_some(), "{name} is not in the table");
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a handler is registered twice");
    }
}
