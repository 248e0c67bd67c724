//! The interfaces of models, of what events hold, and of what methods take.

use std::collections::BTreeSet;

use loki_mode_spec::{
    Chapter, EVENT_TYPES, Field, FieldType, LIVE_EVENT, Model, Need, Operation, Param, Presence, Returns,
    TypeScriptArguments,
};
use serde::Serialize;

use super::paging;
use super::parameters::{keywords, open, options_interface, param_doc, param_type};
use super::text::{WIDTH, comment, reworded, with_known};
use crate::names::camel_case;

/// The interfaces of what events hold.
pub(super) fn event_data() -> Vec<TypeDeclaration> {
    let mut seen = BTreeSet::new();
    let data = EVENT_TYPES.iter().filter_map(|event| event.data);
    data.filter(|data| seen.insert(data.name)).map(TypeDeclaration::interface).collect()
}

/// The types of events, each with what it holds.
pub(super) fn event_types() -> Vec<Member> {
    EVENT_TYPES
        .iter()
        .map(|event| Member {
            doc: comment(2, &[event.doc.to_owned()]),
            text: format!(
                "{}: {};",
                key(event.name),
                event.data.map_or("Record<string, unknown>", |data| data.name)
            ),
        })
        .collect()
}

/// The key of an object member, in quotes if it has to be.
fn key(name: &str) -> String {
    if name.chars().all(|c| c.is_ascii_alphanumeric()) { name.to_owned() } else { format!("'{name}'") }
}

/// The interfaces of one chapter.
#[derive(Serialize)]
pub(super) struct ModelChapter {
    types: Vec<TypeDeclaration>,
}

impl ModelChapter {
    pub(super) fn new(chapter: &Chapter) -> Self {
        // Live events are a union, told apart by their types.
        let models = chapter.models.iter().filter(|model| model.name != LIVE_EVENT.name);
        let models = models.map(|model| TypeDeclaration::model(chapter, model));
        let inputs = chapter.operations.iter().flat_map(|operation| {
            let (parameters, options) =
                (TypeDeclaration::parameters(operation), TypeDeclaration::options(operation));
            [parameters, options, paging::options(operation)].into_iter().flatten()
        });
        ModelChapter { types: models.chain(inputs).collect() }
    }
}

/// One exported interface or type.
#[derive(Serialize)]
pub(super) struct TypeDeclaration {
    pub(super) doc: String,
    pub(super) open: String,
    pub(super) close: &'static str,
    pub(super) members: Vec<Member>,
}

#[derive(Serialize)]
pub(super) struct Member {
    doc: String,
    text: String,
}

impl TypeDeclaration {
    fn model(chapter: &Chapter, model: &'static Model) -> Self {
        let is_record = chapter.operations.iter().any(
            |operation| matches!(operation.returns, Returns::Record(record) if record.name == model.name),
        );
        // An interface is not assignable to `Record<string, unknown>`, which the guide promises; a type is.
        let interface = TypeDeclaration::interface(model);
        if is_record {
            TypeDeclaration { open: format!("export type {} = {{", model.name), close: "};", ..interface }
        } else {
            interface
        }
    }

    fn interface(model: &'static Model) -> Self {
        let members = model
            .fields
            .iter()
            .map(|field| Member {
                doc: comment(2, &[with_known(&reworded(field.doc, None), field.known)]),
                text: member_of_interface(field),
            })
            .collect();
        TypeDeclaration {
            doc: comment(0, &[reworded(model.doc, None)]),
            open: format!("export interface {} {{", model.name),
            close: "}",
            members,
        }
    }

    /// The interface of the one argument that holds all parameters.
    fn parameters(operation: &'static Operation) -> Option<Self> {
        let TypeScriptArguments::Object(name) = operation.typescript_arguments else { return None };
        Some(TypeDeclaration {
            doc: comment(0, &[format!("What `{}` takes.", camel_case(operation.name))]),
            open: format!("export interface {name} {{"),
            close: "}",
            members: operation.params.iter().map(|param| input(operation, param, param.wire)).collect(),
        })
    }

    /// The interface of the last argument, where it holds parameters of this operation.
    fn options(operation: &'static Operation) -> Option<Self> {
        let name = options_interface(operation)?;
        Some(TypeDeclaration {
            doc: comment(0, &[format!("Options of `{}`.", camel_case(operation.name))]),
            open: format!("export interface {name} extends CallOptions {{"),
            close: "}",
            members: keywords(operation)
                .map(|param| input(operation, param, &camel_case(param.name)))
                .collect(),
        })
    }
}

pub(super) fn input(operation: &'static Operation, param: &'static Param, name: &str) -> Member {
    let (mark, undefined) = if param.need == Need::Required { ("", "") } else { ("?", " | undefined") };
    Member {
        doc: comment(2, &[param_doc(operation, param)]),
        text: format!("{name}{mark}: {}{undefined};", param_type(param)),
    }
}

/// A field as a member, over several lines if it names so many values.
fn member_of_interface(field: &Field) -> String {
    let line = format!("{}{}: {};", field.wire, optional_mark(field), field_type(field));
    if line.len() + 2 <= WIDTH {
        return line;
    }
    let values: String = field.known.iter().map(|value| format!("\n    | '{value}'")).collect();
    format!("{}{}: Known<{values}\n  >;", field.wire, optional_mark(field))
}

fn field_type(field: &Field) -> String {
    match field.ty {
        FieldType::Id | FieldType::Int | FieldType::Float => "number".to_owned(),
        FieldType::Str | FieldType::Label if !field.known.is_empty() => open(field.known),
        FieldType::Str | FieldType::Label | FieldType::Timestamp => "string".to_owned(),
        FieldType::Bool => "boolean".to_owned(),
        FieldType::StrList => "string[]".to_owned(),
        FieldType::Object => "Record<string, unknown>".to_owned(),
        FieldType::Json => "unknown".to_owned(),
        FieldType::Model(model) => model.name.to_owned(),
        FieldType::List(model) => format!("{}[]", model.name),
    }
}

const fn optional_mark(field: &Field) -> &'static str {
    match field.presence {
        Presence::Required | Presence::Expected => "",
        Presence::Optional => "?",
    }
}
