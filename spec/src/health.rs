//! Health of the server.

use crate::Chapter;
use crate::known::Known;
use crate::operation::{Bridge, Field, FieldType, Model, Operation, Returns};

const STATUSES: &Known = &Known::new("HealthStatus", &["healthy", "degraded", "unhealthy"]);

pub(crate) const HEALTH: Model = Model {
    name: "Health",
    doc: "Whether a server can do its work.",
    fields: &[
        Field::required("status", FieldType::Str, "How the server is.").known(STATUSES),
        Field::optional("version", FieldType::Str, "Version of the server."),
        Field::optional("uptime", FieldType::Float, "How long the server has been running."),
        Field::optional("providers", FieldType::Object, "Whether each provider of agents is installed."),
        Field::optional("active_session", FieldType::Label, "The session at work.").wire("activeSession"),
        Field::optional("service", FieldType::Str, "Name of the server; only dashboards send it."),
    ],
};

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "Health",
    models: &[&HEALTH],
    operations: &[
        Operation::get("get_health", "/health", Returns::Model(&HEALTH))
            .doc(
                "Returns whether the server can do its work. A server that is not well says so with the status 503; that, \
                 too, is an answer and raises nothing.",
            )
            .bridges(&[Bridge::HealthIn503])
            .loki("health"),
        Operation::get("get_readiness", "/health/ready", Returns::Object)
            .doc(
                "Returns whether the server is ready for requests. One that is not says so with the status 503; that, too, is an \
                 answer and raises nothing. Dashboards have no such route.",
            )
            .bridges(&[Bridge::HealthIn503])
            .loki("ready"),
        Operation::get("get_liveness", "/health/live", Returns::Object)
            .doc("Returns whether the process of the server is alive. Dashboards have no such route.")
            .loki("live"),
    ],
};
