//! What the native classes of models are made from, and the types of what they hold.

use std::collections::BTreeSet;

use loki_mode_spec::{FieldType, Known, Model, Presence, Returns, STREAMS, models, operations};
use serde::Serialize;

use super::summary_and_rest;
use crate::sentences::with_known;

/// The models that are classes: those of which operations and streams give instances, alone, in lists or inside of others.
pub(super) fn classes() -> Vec<&'static Model> {
    fn add(model: &'static Model, names: &mut BTreeSet<&'static str>) {
        names.insert(model.name);
        for field in model.fields {
            if let FieldType::Model(inner) | FieldType::List(inner) = field.ty {
                add(inner, names);
            }
        }
    }
    let mut names = BTreeSet::new();
    for operation in operations() {
        if let Returns::Model(model) | Returns::List(model, _) = operation.returns {
            add(model, &mut names);
        }
    }
    for stream in STREAMS {
        add(stream.item, &mut names);
    }
    models().filter(|model| names.contains(model.name)).collect()
}

#[derive(Serialize)]
pub(super) struct Class {
    name: &'static str,
    doc: String,
    /// The class docstring of the stub.
    stub_doc: String,
    required: Vec<ClassField>,
    optional: Vec<ClassField>,
    /// Whether a field can hold a dict or a list, so that the garbage collector has to look at instances.
    traverse: bool,
}

#[derive(Serialize)]
struct ClassField {
    name: &'static str,
    rust_name: String,
    doc: String,
    /// The docstring of the stub.
    stub_doc: String,
    /// The type of the attribute.
    ty: String,
    /// The type of the constructor's parameter.
    parameter: String,
    /// The type of the property that has it as a `datetime`; empty if it is no timestamp.
    moment: &'static str,
}

pub(super) fn class(model: &'static Model) -> Class {
    let (required, optional): (Vec<_>, Vec<_>) =
        model.fields.iter().partition(|field| field.presence == Presence::Required);
    assert!(
        model.fields.iter().map(|field| field.presence != Presence::Required).is_sorted(),
        "{}: required fields come first, as Python's constructors have them",
        model.name
    );
    assert!(model.fields.len() <= 64, "{}: a bit mask of 64 says which fields are there", model.name);
    let fields = |fields: Vec<&loki_mode_spec::Field>| -> Vec<ClassField> {
        fields
            .into_iter()
            .map(|field| {
                let ty = open(&field_type(field.ty), field.known);
                let nullable = if ty == "Any" { ty.clone() } else { format!("{ty} | None") };
                let optional = field.presence == Presence::Optional;
                let doc = with_known(field.doc, field.known);
                ClassField {
                    name: field.name,
                    // `type` is the one reserved word among the names of the API.
                    rust_name: if field.name == "type" { "r#type".to_owned() } else { field.name.to_owned() },
                    stub_doc: summary_and_rest(&doc, 8),
                    doc,
                    parameter: match field.presence {
                        Presence::Required => ty.clone(),
                        Presence::Expected | Presence::Optional => format!("{nullable} = None"),
                    },
                    moment: match (field.ty, optional) {
                        (FieldType::Timestamp, true) => "datetime | None",
                        (FieldType::Timestamp, false) => "datetime",
                        _ => "",
                    },
                    ty: if optional { nullable } else { ty },
                }
            })
            .collect()
    };
    Class {
        name: model.name,
        doc: model.doc.to_owned(),
        stub_doc: summary_and_rest(model.doc, 4),
        traverse: model.fields.iter().any(|field| {
            matches!(
                field.ty,
                FieldType::Object
                    | FieldType::Json
                    | FieldType::StrList
                    | FieldType::Model(_)
                    | FieldType::List(_)
            )
        }),
        required: fields(required),
        optional: fields(optional),
    }
}

/// An open enumeration: the type is told the known values, for editors, and takes all others.
pub(super) fn open(ty: &str, known: &Known) -> String {
    if known.is_empty() { ty.to_owned() } else { format!("{} | {ty}", known.name) }
}

/// An open enumeration as a module of Python has it.
#[derive(Serialize)]
pub(super) struct Enumeration {
    name: &'static str,
    values: &'static [&'static str],
}

impl Enumeration {
    pub(super) fn new(known: &Known) -> Self {
        Enumeration { name: known.name, values: known.values }
    }
}

/// The enumerations that the fields of classes name.
pub(super) fn fields_known() -> BTreeSet<&'static str> {
    let known = classes().into_iter().flat_map(|model| model.fields).map(|field| field.known);
    known.filter(|known| !known.is_empty()).map(|known| known.name).collect()
}

fn field_type(ty: FieldType) -> String {
    match ty {
        FieldType::Id => "int | str".to_owned(),
        FieldType::Str | FieldType::Label | FieldType::Timestamp => "str".to_owned(),
        FieldType::Int => "int".to_owned(),
        FieldType::Float => "float".to_owned(),
        FieldType::Bool => "bool".to_owned(),
        FieldType::StrList => "list[str]".to_owned(),
        FieldType::Object => "dict[str, Any]".to_owned(),
        FieldType::Json => "Any".to_owned(),
        FieldType::Model(model) => model.name.to_owned(),
        FieldType::List(model) => format!("list[{}]", model.name),
    }
}
