//! Questions about sessions to servers that have no routes for them.

use loki_mode_spec::{Bridge, GET_STATUS};

use super::Execution;
use crate::args::{Args, Value};
use crate::bridges;
use crate::error::{Error, ErrorKind};
use crate::refusal;
use crate::request::Request;
use crate::response::Response;

impl Execution<'_> {
    /// Answers a question about sessions from `/api/status`.
    pub(super) fn sessions(mut self, bridge: Bridge, args: &Args) -> Result<Response, Error> {
        let mut answer = self.send(&Request::get(GET_STATUS.path))?;
        if !answer.is_success() {
            return Err(self.refuse(&answer));
        }
        let Some(sessions) = bridges::sessions_from_status(&answer.body) else {
            let message =
                "this server has no session routes, and its status (GET /api/status) reports no sessions";
            let mut info = refusal::refusal(self.operation, &answer);
            info.kind = ErrorKind::NotAvailable;
            message.clone_into(&mut info.message);
            return Err(self.counted(info));
        };
        match bridge {
            Bridge::SessionsFromStatus => {
                answer.body = format!("[{}]", sessions.join(",")).into_bytes();
                return Ok(self.response(answer));
            }
            Bridge::AllSessionsFromStatus => {
                answer.body = bridges::session_list(&sessions).into_bytes();
                return Ok(self.response(answer));
            }
            _ => {}
        }
        let id = args.get(0).cloned().unwrap_or(Value::Str(String::new()));
        let Some(session) = bridges::session_of_id(sessions, &id) else {
            let mut info = refusal::refusal(self.operation, &answer);
            info.kind = ErrorKind::NotFound;
            info.status_code = Some(404);
            info.message = format!(
                "no session {:?}: this server has no session routes, and its status (GET /api/status) reports no such \
                 session",
                id.to_text()
            );
            return Err(self.counted(info));
        };
        answer.body = session.into_bytes();
        self.accept(answer)
    }
}
