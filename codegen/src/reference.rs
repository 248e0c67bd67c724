//! Writes `docs/api.md`, the reference for people.

use loki_mode_spec::{
    Bridge, CHAPTERS, Chapter, EVENT_TYPES, EventType, Field, FieldType, Location, Model, Need, Operation,
    Param, ParamType, Presence, Returns, STREAMS, Stream, StreamKind, TypeScriptArguments,
};
use minijinja::{Environment, context};
use serde::Serialize;

use crate::Output;
use crate::names::camel_case;
use crate::sentences::with_known;

#[derive(Serialize)]
struct ChapterPage {
    title: &'static str,
    anchor: String,
    operations: Vec<OperationPage>,
    models: Vec<ModelPage>,
}

#[derive(Serialize)]
struct OperationPage {
    name: &'static str,
    anchor: String,
    doc: &'static str,
    python: String,
    typescript: String,
    method: &'static str,
    path: &'static str,
    v2_path: Option<&'static str>,
    params: Vec<ParamRow>,
    returns: String,
    /// The method that gives all of the list.
    pages: Option<&'static str>,
    camel_pages: Option<String>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct ParamRow {
    name: String,
    kind: String,
    need: String,
    doc: String,
}

#[derive(Serialize)]
struct ModelPage {
    name: &'static str,
    doc: &'static str,
    fields: Vec<FieldRow>,
}

#[derive(Serialize)]
struct FieldRow {
    name: String,
    kind: String,
    presence: &'static str,
    doc: String,
}

#[derive(Serialize)]
struct StreamPage {
    name: &'static str,
    anchor: String,
    doc: &'static str,
    endpoint: String,
    params: Vec<ParamRow>,
    item: String,
}

#[derive(Serialize)]
struct EventRow {
    name: &'static str,
    doc: &'static str,
    data: String,
}

pub(crate) fn outputs() -> Vec<Output> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(true);
    let chapters: Vec<ChapterPage> = CHAPTERS.iter().map(chapter_page).collect();
    let streams: Vec<StreamPage> = STREAMS.iter().map(stream_page).collect();
    let events: Vec<EventRow> = EVENT_TYPES.iter().map(event_row).collect();
    let text = environment
        .render_str(include_str!("../templates/docs/api.md.j2"), context! { chapters, streams, events })
        .unwrap_or_else(|error| panic!("the template of the reference fits its data: {error:#}"));
    vec![Output { path: "docs/api.md".to_owned(), text }]
}

fn chapter_page(chapter: &'static Chapter) -> ChapterPage {
    ChapterPage {
        title: chapter.title,
        anchor: anchor(chapter.title),
        operations: chapter.operations.iter().map(operation_page).collect(),
        models: chapter.models.iter().copied().map(model_page).collect(),
    }
}

/// The fragment that leads to a heading, as forges make it.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "-")
}

fn operation_page(operation: &'static Operation) -> OperationPage {
    OperationPage {
        name: operation.name,
        anchor: anchor(operation.name),
        doc: operation.doc,
        python: python(operation),
        typescript: typescript(operation),
        method: operation.method.as_str(),
        path: operation.path,
        v2_path: operation.v2_path,
        params: operation.params.iter().map(param_row).collect(),
        returns: returns(&operation.returns),
        pages: operation.paging.map(|paging| paging.method),
        camel_pages: operation.paging.map(|paging| camel_case(paging.method)),
        notes: notes(operation),
    }
}

fn stream_page(stream: &'static Stream) -> StreamPage {
    let kind = match stream.kind {
        StreamKind::ServerSentEvents => "server-sent events",
        StreamKind::WebSocket => "a WebSocket",
    };
    let extra = |name: &str, place: &str, doc: &str| ParamRow {
        name: format!("`{name}`"),
        kind: format!("string ({place})"),
        need: "optional".to_owned(),
        doc: doc.to_owned(),
    };
    let mut params: Vec<_> = stream.params.iter().map(param_row).collect();
    params.extend(
        stream
            .resume_header
            .map(|name| extra(name, "header", "Identifier of the event that was received last.")),
    );
    params.extend(stream.token_param.map(|name| extra(name, "query", "The token, where one is needed.")));
    StreamPage {
        name: stream.name,
        anchor: anchor(stream.name),
        doc: stream.doc,
        endpoint: format!("`GET {}`, {kind}", stream.path),
        params,
        item: link(stream.item),
    }
}

fn event_row(event: &'static EventType) -> EventRow {
    let data = match event.data {
        None => "not known".to_owned(),
        Some(data) => {
            let fields: Vec<_> = data.fields.iter().map(|field| format!("`{}`", field.wire)).collect();
            fields.join(", ")
        }
    };
    EventRow { name: event.name, doc: event.doc, data }
}

fn param_row(param: &Param) -> ParamRow {
    let kind = match param.ty {
        ParamType::Id => "integer or string",
        ParamType::Str => "string",
        ParamType::Timestamp => "date or timestamp",
        ParamType::Int => "integer",
        ParamType::Bool => "boolean",
        ParamType::StrList => "list of strings",
        ParamType::Object => "object",
    };
    let need = match param.need {
        Need::Required => "required".to_owned(),
        Need::Optional => "optional".to_owned(),
        Need::DefaultStr(value) => format!("default `\"{value}\"`"),
        Need::DefaultInt(value) => format!("default `{value}`"),
    };
    let place = match param.location {
        Location::Path => "path",
        Location::Query => "query",
        Location::Body => "body",
    };
    let mut doc = with_known(param.doc, param.known);
    if let Some(other) = param.replaced_by {
        doc.push_str(&format!(" Not sent if `{other}` is given."));
    }
    ParamRow { name: spelt(param.name, param.wire), kind: format!("{kind} ({place})"), need, doc }
}

fn model_page(model: &'static Model) -> ModelPage {
    ModelPage { name: model.name, doc: model.doc, fields: model.fields.iter().map(field_row).collect() }
}

fn field_row(field: &Field) -> FieldRow {
    let kind = match field.ty {
        FieldType::Id => "integer or string".to_owned(),
        FieldType::Str | FieldType::Label => "string".to_owned(),
        FieldType::Int => "integer".to_owned(),
        FieldType::Float => "number".to_owned(),
        FieldType::Bool => "boolean".to_owned(),
        FieldType::StrList => "list of strings".to_owned(),
        FieldType::Object => "object".to_owned(),
        FieldType::Json => "any JSON".to_owned(),
        FieldType::Timestamp => "timestamp".to_owned(),
        FieldType::Model(model) => link(model),
        FieldType::List(model) => format!("list of {}", link(model)),
    };
    let presence = match field.presence {
        Presence::Required => "always",
        Presence::Expected => "documented as always there; some servers leave it out",
        Presence::Optional => "may be missing or null",
    };
    let mut doc = with_known(field.doc, field.known);
    if field.secret {
        doc.push_str(" Secret: masked when the object is printed.");
    }
    FieldRow { name: spelt(field.name, field.wire), kind, presence, doc }
}

/// A name, and the one on the wire where that is another.
fn spelt(name: &str, wire: &str) -> String {
    if name == wire { format!("`{name}`") } else { format!("`{name}`, `{wire}`") }
}

fn link(model: &Model) -> String {
    format!("[`{}`](#{})", model.name, anchor(model.name))
}

fn returns(returns: &Returns) -> String {
    match returns {
        Returns::Nothing => "nothing (`None`, `undefined`).".to_owned(),
        Returns::Object => "an object as the server sent it (`dict`, `Record<string, unknown>`).".to_owned(),
        Returns::Model(model) => format!("one {}.", link(model)),
        Returns::Record(model) => {
            format!("a `dict` in Python, in TypeScript an object, with the fields of {}.", link(model))
        }
        Returns::List(model, _) => format!("a list of {}, empty if there are none.", link(model)),
    }
}

fn notes(operation: &Operation) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(manager) = operation.manager {
        notes.push(format!("Also a method of `{}`.", manager.class_name()));
    }
    if let Some(method) = operation.loki_method {
        notes.push(format!(
            "Also a method of `LokiClient`: `{method}` in Python, `{}` in TypeScript.",
            camel_case(method)
        ));
    }
    notes.push(
        match operation.idempotent {
            true => "Repeated after a lost connection or a 408, 429, 502, 503 or 504, within the timeout.",
            false => "Never sent twice: repeated only after a 429 or if no connection could be opened.",
        }
        .to_owned(),
    );
    notes.extend(operation.bridges.iter().map(|bridge| bridge_note(*bridge).to_owned()));
    notes
}

const fn bridge_note(bridge: Bridge) -> &'static str {
    match bridge {
        Bridge::TaskStatusNames => {
            "If the server refuses `completed` and names `done` among its own words, or the other way round, the call is sent once \
             more under the server's word."
        }
        Bridge::SessionsFromStatus | Bridge::AllSessionsFromStatus => {
            "On a server without session routes the sessions come from `GET /api/status`."
        }
        Bridge::SessionFromStatus => {
            "On a server without session routes the session is looked up in `GET /api/status`."
        }
        Bridge::TimelineOfUnknownRun => {
            "v9.22 answers an empty timeline for a run that it does not know; that raises `NotFoundError`."
        }
        Bridge::AuditEntriesChecked => {
            "v5.51 does not send `entries_checked`; it is then the sum over the files in `results`."
        }
        Bridge::AuditDays => {
            "Real servers know nothing finer than days: entries of the first and the last one that are out of bounds are left out \
             here, and more are asked for until there are `limit`."
        }
        Bridge::TenantRequired => {
            "If the server refuses the call for want of `tenant_id`, the error says what to do."
        }
        Bridge::NotFoundOrWrongState(_) => {
            "Real servers answer 404 in the wrong state, too. The run is then asked for (`GET`): if it is there, that raises `ConflictError` \
             with its state, otherwise `NotFoundError`."
        }
        Bridge::KeyNotFoundAs400 => {
            "Real servers answer 400 for a key that they do not know; that raises `NotFoundError`."
        }
        Bridge::SessionInStatus => {
            "A session that comes together with its tasks and agents is taken out of that answer, its fields renamed."
        }
        Bridge::StatusOfSession => {
            "A server that answers the session alone is understood, too; there are no counts then."
        }
        Bridge::HealthIn503 => {
            "A 503 with a JSON object that has a `status` is returned like any answer, and not repeated. Any other 503 is an error."
        }
        Bridge::EmptyBody => "A server that answers nothing at all gives an empty object.",
    }
}

fn python(operation: &Operation) -> String {
    let mut params = Vec::new();
    let mut star = false;
    for param in operation.params {
        if !param.positional && !star {
            star = true;
            params.push("*".to_owned());
        }
        params.push(python_param(param));
    }
    let returned = match operation.returns {
        Returns::Nothing => "None".to_owned(),
        Returns::Object | Returns::Record(_) => "dict[str, Any]".to_owned(),
        Returns::Model(model) => model.name.to_owned(),
        Returns::List(model, _) => format!("list[{}]", model.name),
    };
    fitted(&format!("client.{}(", operation.name), &params, &format!(") -> {returned}"))
}

fn python_param(param: &Param) -> String {
    let ty = match param.ty {
        ParamType::Id => "int | str",
        ParamType::Str => "str",
        ParamType::Timestamp => "str | date",
        ParamType::Int => "int",
        ParamType::Bool => "bool",
        ParamType::StrList => "list[str]",
        ParamType::Object => "dict[str, Any]",
    };
    match param.need {
        Need::Required => format!("{}: {ty}", param.name),
        Need::Optional => format!("{}: {ty} | None = None", param.name),
        Need::DefaultStr(value) => format!("{}: {ty} = \"{value}\"", param.name),
        Need::DefaultInt(value) => format!("{}: {ty} = {value}", param.name),
    }
}

fn typescript(operation: &Operation) -> String {
    let mut params = Vec::new();
    match operation.typescript_arguments {
        TypeScriptArguments::Object(_) => {
            let fields: Vec<_> =
                operation.params.iter().map(|param| typescript_param(param, param.wire)).collect();
            params.push(format!("params?: {{ {} }}", fields.join("; ")));
        }
        TypeScriptArguments::Positional => {
            let (positional, keyword): (Vec<_>, Vec<_>) =
                operation.params.iter().partition(|param| param.positional);
            params
                .extend(positional.into_iter().map(|param| typescript_param(param, &camel_case(param.name))));
            if !keyword.is_empty() {
                let fields: Vec<_> = keyword
                    .into_iter()
                    .map(|param| typescript_param(param, &camel_case(param.name)))
                    .collect();
                params.push(format!("options?: {{ {} }}", fields.join("; ")));
            }
        }
    }
    let returned = match operation.returns {
        Returns::Nothing => "void".to_owned(),
        Returns::Object => "Record<string, unknown>".to_owned(),
        Returns::Model(model) | Returns::Record(model) => model.name.to_owned(),
        Returns::List(model, _) => format!("{}[]", model.name),
    };
    fitted(&format!("client.{}(", camel_case(operation.name)), &params, &format!("): Promise<{returned}>"))
}

fn typescript_param(param: &Param, name: &str) -> String {
    let ty = match param.ty {
        ParamType::Id => "number | string",
        ParamType::Str => "string",
        ParamType::Timestamp => "string | Date",
        ParamType::Int => "number",
        ParamType::Bool => "boolean",
        ParamType::StrList => "string[]",
        ParamType::Object => "Record<string, unknown>",
    };
    let mark = if param.need == Need::Required { "" } else { "?" };
    format!("{name}{mark}: {ty}")
}

/// The call on one line, or one parameter a line if that would be too long.
fn fitted(head: &str, params: &[String], tail: &str) -> String {
    const WIDTH: usize = 100;
    let line = format!("{head}{}{tail}", params.join(", "));
    if line.len() <= WIDTH || params.is_empty() {
        return line;
    }
    format!("{head}\n    {},\n{tail}", params.join(",\n    "))
}
