//! What differs on the wire between the SDK guide and the real servers. Nothing else in this crate asks which
//! server it plays; it asks what that server does.

use std::str::FromStr;

use loki_mode_spec::{Manager, Operation};

use crate::clock::Form;

/// The server that is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// The server that the SDK guide describes.
    Guide,
    /// The dashboard of Loki Mode 5.51.
    V5_51,
    /// The dashboard of Loki Mode 9.22.
    V9_22,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Profile; 3] = [Profile::Guide, Profile::V5_51, Profile::V9_22];

    /// The name as given on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Profile::Guide => "guide",
            Profile::V5_51 => "v5.51",
            Profile::V9_22 => "v9.22",
        }
    }

    /// Whether this is the guide's server, which does what the guide says.
    pub(crate) const fn is_guide(self) -> bool {
        matches!(self, Profile::Guide)
    }

    /// Whether this is the newer of the real servers.
    const fn is_new(self) -> bool {
        matches!(self, Profile::V9_22)
    }

    /// The version that `/api/status` reports.
    pub(crate) const fn version(self) -> &'static str {
        match self {
            Profile::Guide | Profile::V5_51 => "5.51.0",
            Profile::V9_22 => "9.22.12",
        }
    }

    /// The `Server` header.
    pub(crate) const fn server_header(self) -> &'static str {
        if self.is_guide() { "loki-control-plane" } else { "uvicorn" }
    }

    /// Whether this server has the routes of the HTTP/SSE API: sessions, live events, probes.
    pub(crate) const fn has_http_api(self) -> bool {
        self.is_guide()
    }

    /// The path of an operation, or nothing if this server does not have it.
    pub(crate) fn path(self, operation: &'static Operation) -> Option<&'static str> {
        if self.is_guide() {
            Some(operation.path)
        } else if is_of_http_api(operation) {
            None
        } else {
            Some(operation.v2_path.unwrap_or(operation.path))
        }
    }

    // ---- routing ----

    /// Whether a GET on every unknown path is caught: a JSON 404 under `/api`, a web page elsewhere, and a 405 for other methods.
    pub(crate) const fn catches_all(self) -> bool {
        self.is_new()
    }

    /// Whether a path with a slash too many is redirected to the right one.
    pub(crate) const fn redirects_slashes(self) -> bool {
        matches!(self, Profile::V5_51)
    }

    /// The size in bytes from which on bodies are compressed for clients that accept it.
    pub(crate) const fn gzip_from(self) -> Option<usize> {
        if self.is_new() { Some(1024) } else { None }
    }

    // ---- access ----

    /// Whether an operation answers without a token although auth is on.
    pub(crate) fn open_without_token(self, operation: &Operation) -> bool {
        const PROBES: &[&str] = &["get_health", "get_readiness", "get_liveness"];
        const OPEN: &[&str] = &["get_status", "list_projects", "get_project", "list_tasks", "get_task"];
        PROBES.contains(&operation.name) || matches!(self, Profile::V5_51) && OPEN.contains(&operation.name)
    }

    /// Whether only admins create, change and delete tenants, and other keys see only the tenant of their scope.
    pub(crate) const fn isolates_tenants(self) -> bool {
        self.is_new()
    }

    /// The role of a key that is created without role and scopes.
    pub(crate) const fn default_role(self) -> &'static str {
        if self.is_guide() { "viewer" } else { "admin" }
    }

    /// Whether the answer to a key creation or rotation shows the stored hash and its salt.
    pub(crate) const fn leaks_hashes(self) -> bool {
        !self.is_guide()
    }

    /// Whether a rotated key keeps the expiry date of the old one.
    pub(crate) const fn rotation_keeps_expiry(self) -> bool {
        self.is_guide()
    }

    // ---- input ----

    /// Whether ids may be spelt as in the guide's examples: `proj-1` for 1.
    pub(crate) const fn spelt_ids(self) -> bool {
        self.is_guide()
    }

    /// Whether a body may be left out where all its fields are optional.
    pub(crate) const fn bodies_may_be_missing(self) -> bool {
        self.is_guide()
    }

    /// Whether a body parameter that is optional in the table must be there.
    pub(crate) fn requires(self, operation: &Operation, param: &str) -> bool {
        self.is_new() && operation.name == "create_project" && param == "tenant_id"
    }

    /// Whether this server knows a parameter at all; unknown ones are ignored.
    pub(crate) fn knows(self, operation: &Operation, param: &str) -> bool {
        match (operation.name, param) {
            ("list_projects", "limit" | "offset") | ("create_project", "tenant_id") => {
                !matches!(self, Profile::V5_51)
            }
            ("get_run_timeline", "since" | "after") | ("list_tasks", "limit" | "offset") => self.is_guide(),
            _ => true,
        }
    }

    /// Whether a body may hold nothing but what the table knows.
    pub(crate) fn refuses_unknown_fields(self, operation: &Operation) -> bool {
        self.has_http_api() && is_of_http_api(operation)
    }

    /// Whether a refusal has a code, as in the HTTP/SSE API.
    pub(crate) fn refuses_with_code(self, operation: &Operation) -> bool {
        self.has_http_api() && is_of_http_api(operation) && operation.manager.is_none()
    }

    /// Whether a client of the WebSocket that stays silent is dropped.
    pub(crate) const fn drops_silent_dashboards(self) -> bool {
        self.is_new()
    }

    /// The smallest and the largest value of an integer parameter.
    pub(crate) fn range(self, operation: &Operation, param: &str) -> (Option<i64>, Option<i64>) {
        match (operation.name, param) {
            ("list_projects", "limit") => (Some(1), Some(500)),
            ("list_runs", "limit") => (Some(1), Some(1000)),
            ("list_checkpoints", "limit") => (Some(1), Some(200)),
            ("query_audit", "limit") => (Some(1), Some(if self.is_guide() { 100_000 } else { 10_000 })),
            ("list_session_tasks" | "get_event_history" | "list_tasks", "limit") => (Some(0), None),
            (_, "offset" | "grace_period_hours" | "position") => (Some(0), None),
            (_, "expires_days" | "rate_limit") => (Some(1), None),
            _ => (None, None),
        }
    }

    /// The words for the state of a task.
    pub(crate) const fn task_statuses(self) -> &'static [&'static str] {
        if self.is_guide() {
            &["backlog", "pending", "in_progress", "review", "done", "completed"]
        } else {
            &["backlog", "pending", "in_progress", "review", "done"]
        }
    }

    /// Whether dates of an audit query are compared as text with the day of the entry, whatever they look like.
    pub(crate) const fn compares_dates_as_text(self) -> bool {
        !self.is_guide()
    }

    // ---- behaviour ----

    /// How many projects are listed unless `limit` says otherwise; all, if nothing.
    pub(crate) const fn projects_limit(self) -> Option<i64> {
        if self.is_new() { Some(50) } else { None }
    }

    /// Whether lists that are newest first have the rows of one second oldest first.
    pub(crate) const fn orders_by_second(self) -> bool {
        !self.is_guide()
    }

    /// Whether a run may be started for a project that does not exist.
    pub(crate) const fn runs_need_no_project(self) -> bool {
        !self.is_guide()
    }

    /// Whether the tasks that are listed come from the session's queue rather than from the database.
    pub(crate) const fn lists_queue_tasks(self) -> bool {
        !self.is_guide()
    }

    /// Whether a conflict (a duplicate tenant, a run in the wrong state) is answered with 409 rather than 500 or 404.
    pub(crate) const fn reports_conflicts(self) -> bool {
        self.is_guide()
    }

    /// Whether a rotation of a key that does not exist is answered with 400.
    pub(crate) const fn rotation_of_unknown_key_is_bad_request(self) -> bool {
        !self.is_guide()
    }

    // ---- output ----

    /// Whether projects show their tenant.
    pub(crate) const fn shows_tenant(self) -> bool {
        !matches!(self, Profile::V5_51)
    }

    /// Whether runs name their session.
    pub(crate) const fn shows_session(self) -> bool {
        self.is_guide()
    }

    /// Whether tasks have acceptance criteria, notes and logs, and `/api/status` the fields of the newer server.
    pub(crate) const fn has_new_fields(self) -> bool {
        self.is_new()
    }

    /// Whether a timeline is wrapped in an object with the run and its duration.
    pub(crate) const fn wraps_timeline(self) -> bool {
        !self.is_guide()
    }

    /// Whether the timeline of an unknown run is an empty one.
    pub(crate) const fn unknown_run_has_timeline(self) -> bool {
        self.is_new()
    }

    /// Whether the outcome of an audit verification has totals over all files.
    pub(crate) const fn sums_audit_files(self) -> bool {
        !matches!(self, Profile::V5_51)
    }

    /// Times of database rows.
    pub(crate) const fn row_time(self) -> Form {
        if self.is_guide() { Form::ZuluSeconds } else { Form::NaiveSeconds }
    }

    /// The end of a run or task.
    pub(crate) const fn end_time(self) -> Form {
        if self.is_guide() { Form::ZuluSeconds } else { Form::NaiveMicros }
    }

    /// The end of a run in the answer to its cancellation.
    pub(crate) const fn cancel_time(self) -> Form {
        if self.is_guide() { Form::ZuluSeconds } else { Form::ZuluMicros }
    }

    /// Times of keys and audit entries.
    pub(crate) const fn log_time(self) -> Form {
        if self.is_guide() { Form::ZuluMicros } else { Form::OffsetMicros }
    }
}

/// Whether an operation is one that only the HTTP/SSE API has, or the guide's list of sessions, which no server has.
pub(crate) fn is_of_http_api(operation: &Operation) -> bool {
    const EVERYWHERE: &[&str] = &["get_status", "get_health", "list_tasks"];
    operation.manager == Some(Manager::Sessions)
        || operation.loki_method.is_some() && !EVERYWHERE.contains(&operation.name)
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Profile::ALL
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| format!("unknown profile {text:?}; there are guide, v5.51 and v9.22"))
    }
}
