//! Server status.

use crate::Chapter;
use crate::operation::{Operation, Returns};

/// What servers without session routes are asked for sessions, too.
pub const GET_STATUS: Operation = Operation::get("get_status", "/api/status", Returns::Object)
    .doc(
        "Returns the status of the server. It holds `status`, `version`, `uptime_seconds`, `active_sessions`, `running_agents`, \
         `pending_tasks`, `phase`, `iteration` and whatever else this server reports.",
    )
    .loki("get_status");

pub(crate) const CHAPTER: Chapter = Chapter { title: "Status", models: &[], operations: &[GET_STATUS] };
