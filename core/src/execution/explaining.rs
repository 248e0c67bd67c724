//! Refusals that can mean two things: what is done to find out which.

use loki_mode_spec::{Bridge, GET_RUN};

use super::Execution;
use crate::args::Args;
use crate::bridges;
use crate::dialect::is_unknown_route;
use crate::error::Error;
use crate::refusal;
use crate::request::Request;
use crate::response::Answer;

impl Execution<'_> {
    /// A refusal; where it can mean two things, the server is asked which.
    pub(super) fn explain(&mut self, args: &Args, answer: &Answer) -> Error {
        let ambiguous = answer.status == 404 && !is_unknown_route(self.operation.method, answer);
        let asks =
            self.operation.bridges.iter().any(|bridge| matches!(bridge, Bridge::NotFoundOrWrongState(_)));
        if !(ambiguous && asks) {
            return self.refuse(answer);
        }
        let run = match self.look_at_run(args) {
            Ok(run) => run,
            Err(error @ (Error::Cancelled(_) | Error::Interrupted(_))) => return error,
            // It could not be found out: the refusal says what it can mean.
            Err(_) => return self.refuse(answer),
        };
        let mut info = refusal::refusal(self.operation, answer);
        if run.is_success() {
            if !bridges::run_in_wrong_state(args.get(0), &run.body, &mut info) {
                return self.refuse(answer);
            }
        } else if run.status != 404 || is_unknown_route(GET_RUN.method, &run) {
            return self.refuse(answer);
        }
        self.counted(info)
    }

    /// The run that the first argument names.
    fn look_at_run(&mut self, args: &Args) -> Result<Answer, Error> {
        let run = Args::new(&GET_RUN, vec![args.get(0).cloned()])?;
        let path = self.client.server.dialect.route(&GET_RUN).path;
        self.send(&Request::new(&GET_RUN, path, &run)?)
    }
}
